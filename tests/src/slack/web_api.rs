//! The Web API that the server calls, and the `response_url` that it posts to.

mod methods;
mod request;
mod scopes;

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Shared, SlackDouble, block_kit};
pub use methods::user;
use request::Arguments;

/// Why Slack says no.
#[derive(Debug)]
pub enum Refusal {
    /// The app is at fault: a test fails at its end.
    Mistake { error: &'static str, why: String },
    /// The world is as it is: the app has to cope.
    Circumstance(&'static str),
}

impl Refusal {
    fn mistake(error: &'static str, why: impl Into<String>) -> Self {
        Self::Mistake { error, why: why.into() }
    }
}

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/api/{method}", any(web_api)).route("/response/{id}", post(response_url)).with_state(shared)
}

async fn web_api(State(shared): State<Arc<Shared>>, Path(method): Path<String>, request: Request) -> Response {
    let arguments = Arguments::read(&method, request).await;
    let late = shared.state().weather.slow.remove(&method);
    if let Some(by) = late {
        tokio::time::sleep(by).await;
    }
    let mut state = shared.state();
    *state.workspace.calls.entry(method.clone()).or_insert(0) += 1;
    if state.weather.down {
        return (StatusCode::SERVICE_UNAVAILABLE, "<html>503</html>").into_response();
    }
    if let Some(seconds) = state.weather.limited(&method) {
        let body = Json(json!({ "ok": false, "error": "ratelimited" }));
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], body).into_response();
    }
    let refused = state.weather.refused(&method, &arguments.values);
    let outcome = refused
        .map_or(Ok(()), |error| Err(Refusal::Circumstance(error)))
        .and_then(|()| permitted(&method, &arguments))
        .and_then(|()| scopes::granted(&state.weather, &method))
        .and_then(|()| request::known(&method, &arguments))
        .and_then(|()| methods::call(&mut state, &method, &arguments));
    let scopes = [("x-oauth-scopes", state.weather.scopes().join(","))];
    let answer = Json(match outcome {
        Ok(mut answer) => {
            answer["ok"] = json!(true);
            answer
        }
        Err(Refusal::Circumstance(error)) => json!({ "ok": false, "error": error }),
        Err(Refusal::Mistake { error, why }) => {
            state.violations.push(format!("{method}: {error}: {why}"));
            json!({ "ok": false, "error": error, "response_metadata": { "messages": [format!("[ERROR] {why}")] } })
        }
    });
    (scopes, answer).into_response()
}

fn permitted(method: &str, arguments: &Arguments) -> Result<(), Refusal> {
    let needed = if method == "apps.connections.open" { SlackDouble::APP_TOKEN } else { SlackDouble::BOT_TOKEN };
    match arguments.token.as_deref() {
        None => Err(Refusal::mistake("not_authed", "no token")),
        Some(token) if token == needed => Ok(()),
        Some(_) => Err(Refusal::mistake("invalid_auth", format!("not the token for {method}"))),
    }
}

/// A response URL is good for five posts; an address that we never gave is no response URL.
async fn response_url(State(shared): State<Arc<Shared>>, Path(id): Path<String>, Json(body): Json<Value>) -> Response {
    let mut state = shared.state();
    if state.weather.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if state.weather.lapsed {
        return (StatusCode::NOT_FOUND, "expired_url").into_response();
    }
    let known = state.workspace.follow_ups.iter_mut().find(|(url, _)| url.ends_with(&id));
    let Some((_, posts)) = known else {
        state.violations.push(format!("response_url: nobody was given {id}"));
        return StatusCode::NOT_FOUND.into_response();
    };
    posts.push(body.clone());
    let count = posts.len();
    if count > 5 {
        state.violations.push("response_url: used more than five times".to_owned());
        return (StatusCode::NOT_FOUND, "used_url").into_response();
    }
    if body["delete_original"] != true {
        let refused = block_kit::what_slack_refuses(&body);
        state.violations.extend(refused.into_iter().map(|why| format!("response_url: {why}")));
    }
    "ok".into_response()
}
