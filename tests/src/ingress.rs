//! A reverse proxy before the server, as a runner's requests meet one: it says from which address they came, and it can be down.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Given;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::eventually::{SOON, eventually};
use crate::loopback::{self, Listener};

/// A proxy for everybody at one address.
#[derive(Debug)]
pub struct Ingress {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    ip: String,
    state: Mutex<State>,
    client: reqwest::Client,
}

#[derive(Debug, Default)]
struct State {
    // How many requests get nowhere from now on.
    down: u32,
    // How many requests are passed on from now on, and their answers are not passed back.
    unanswered: u32,
    starts: Starts,
    started: u32,
    // How often a session was to be stopped, by its key.
    stops: u32,
}

/// What becomes of requests that start a session.
#[derive(Debug, Default, Clone, Copy)]
enum Starts {
    /// They are passed on.
    #[default]
    Fair,
    /// They are passed on, and nobody hears of it.
    AnswersLost,
    /// They are passed on later, also where nobody waits for them any more.
    Late(Duration),
}

impl Ingress {
    /// A proxy before this server, for whoever comes from this address.
    pub async fn before(server: &str, ip: &str) -> Self {
        let (server, ip, client) = (server.to_owned(), ip.to_owned(), loopback::client());
        let shared = Arc::new(Shared { server, ip, state: Mutex::default(), client });
        let listener = Listener::serve(Router::new().fallback(forward).with_state(Arc::clone(&shared))).await;
        Self { listener, shared }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.listener.address
    }

    /// Lets nothing through from now on, or everything.
    pub fn set_down(&self, down: bool) {
        self.shared.state().down = if down { u32::MAX } else { 0 };
    }

    /// Lets the next requests not through.
    pub fn fail(&self, requests: u32) {
        self.shared.state().down = requests;
    }

    /// Lets the next requests through, and their answers not back.
    pub fn lose_answers(&self, requests: u32) {
        self.shared.state().unanswered = requests;
    }

    /// Sessions are started, and whoever asked hears nothing of it.
    pub fn lose_answers_to_starts(&self) {
        self.shared.state().starts = Starts::AnswersLost;
    }

    /// Requests that start sessions reach the server so much later.
    pub fn delay_starts(&self, by: Duration) {
        self.shared.state().starts = Starts::Late(by);
    }

    /// How often somebody has asked for the end of a session.
    pub fn stops(&self) -> u32 {
        self.shared.state().stops
    }

    /// Waits until somebody has asked for a session.
    pub async fn wait_for_a_start(&self) {
        let asked = async || if self.shared.state().started > 0 { Ok(()) } else { Err("nobody".to_owned()) };
        eventually("somebody asks for a session", SOON, asked).await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the answer to this request gets lost on its way.
    fn loses_answer(&self) -> bool {
        let mut state = self.state();
        let loses = state.unanswered > 0;
        state.unanswered = state.unanswered.saturating_sub(1);
        loses
    }

    /// What becomes of a request; none where it gets nowhere.
    fn arrival(&self, method: &Method, uri: &Uri) -> Option<Starts> {
        let mut state = self.state();
        if state.down > 0 {
            state.down = state.down.saturating_sub(u32::from(state.down < u32::MAX));
            return None;
        }
        state.stops += u32::from(uri.path() == "/api/v1/sessions/current/stop");
        if method != Method::POST || uri.path() != "/api/v1/sessions" {
            return Some(Starts::Fair);
        }
        state.started += 1;
        Some(state.starts)
    }
}

async fn forward(Given(shared): Given<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let Some(fate) = shared.arrival(&method, &uri) else { return StatusCode::BAD_GATEWAY.into_response() };
    let loses_answer = shared.loses_answer();
    // A task of its own: the request goes on where its caller has gone.
    let passing_on = tokio::spawn(async move {
        if let Starts::Late(by) = fate {
            tokio::time::sleep(by).await;
        }
        pass_on(&shared, method, uri, headers, body).await
    });
    let answer = passing_on.await.expect("the proxy goes on");
    match fate {
        _ if loses_answer => StatusCode::BAD_GATEWAY.into_response(),
        Starts::Fair | Starts::Late(_) => answer,
        Starts::AnswersLost => pending().await,
    }
}

async fn pass_on(shared: &Shared, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = shared.client.request(method, format!("{}{path}", shared.server)).body(body);
    let passed_on = ["authorization", "content-type", "accept", "idempotency-key", "x-api-key"];
    let request = passed_on
        .iter()
        .filter_map(|name| Some((name, headers.get(*name)?)))
        .fold(request, |request, (name, value)| request.header(*name, value));
    let Ok(answer) = request.header("X-Forwarded-For", &shared.ip).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = answer.status();
    let passed_back = [header::CONTENT_TYPE, header::RETRY_AFTER];
    let passed_back = passed_back.map(|name| answer.headers().get(&name).cloned().map(|value| (name, value)));
    let mut response = (status, answer.bytes().await.unwrap_or_default()).into_response();
    response.headers_mut().extend(passed_back.into_iter().flatten());
    response
}
