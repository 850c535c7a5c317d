//! The way of one call through the proxy.

use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::call::{Call, CallId, Fate};
use super::faults::{Verdict, ec2_error};
use crate::form;

const LARGEST_BODY: usize = 1 << 20;

pub async fn one_call(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    // A task of its own: the cloud's part is done even where the server is killed while it waits.
    tokio::spawn(pass_on(shared, request)).await.unwrap()
}

async fn pass_on(shared: Arc<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_BODY).await.unwrap();
    let form = form::pairs(body.clone()).await;
    let named = form.iter().find(|(name, _)| name == "Action").map(|(_, action)| action.clone());
    let action = named.unwrap_or_else(|| format!("{} {}", head.method, head.uri.path()));
    let (id, latency, verdict) = shared.arrival(action, caller(&head.headers), form);
    tokio::time::sleep(latency).await;
    match verdict {
        Verdict::HoldBefore => hold(&shared, id, Fate::HeldBefore).await,
        Verdict::Refuse { code } => {
            let (status, body) = ec2_error(&code);
            shared.fate(id, Fate::Refused);
            xml(status, body.into())
        }
        Verdict::Instead { body } => {
            shared.fate(id, Fate::AnsweredInstead);
            xml(200, body.into())
        }
        Verdict::HoldAnswer => {
            shared.upstream(&head, body).await;
            hold(&shared, id, Fate::AnswerHeld).await
        }
        Verdict::Pass => {
            let (status, body) = shared.upstream(&head, body).await;
            shared.fate(id, Fate::Answered(status));
            xml(status, body)
        }
    }
}

async fn hold(shared: &Shared, id: CallId, fate: Fate) -> Response {
    shared.fate(id, fate);
    pending().await
}

fn xml(status: u16, body: Bytes) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], Body::from(body)).into_response()
}

impl Shared {
    fn arrival(&self, action: String, caller: String, form: Vec<(String, String)>) -> (CallId, std::time::Duration, Verdict) {
        let mut state = self.state();
        let verdict = state.faults.verdict(&action, &form);
        let id = state.next;
        state.next += 1;
        state.calls.push(Call { id, action, caller, form, started: Instant::now(), ended: None, fate: None });
        (id, state.latency, verdict)
    }

    fn fate(&self, id: CallId, fate: Fate) {
        let mut state = self.state();
        if let Some(call) = state.calls.iter_mut().find(|call| call.id == id) {
            (call.ended, call.fate) = (Some(Instant::now()), Some(fate));
        }
    }

    async fn upstream(&self, head: &axum::http::request::Parts, body: Bytes) -> (u16, Bytes) {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = self.http.request(head.method.clone(), format!("{}{path}", self.upstream));
        let answer = request.headers(end_to_end(&head.headers)).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    }
}

/// The access key of a signature, `AWS4-HMAC-SHA256 Credential=KEY/20260101/…`.
fn caller(headers: &HeaderMap) -> String {
    let signed = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = signed.split_once("Credential=").and_then(|(_, scope)| scope.split('/').next());
    key.unwrap_or_default().to_owned()
}

/// The headers that are not about one connection.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT] {
        headers.remove(name);
    }
    headers
}
