//! The server's API, as far as a job needs it.

use std::time::Duration;

use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::http::{Answer, NoAnswer, call, random_hex};
use crate::inputs::Inputs;
use crate::session::Session;

/// A question that nobody waits for any more is answered or lost by then.
pub const LATE_CALLS: Duration = Duration::from_secs(3);

/// Why the server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It was not reached, or had trouble of its own: asking again may help.
    #[error("{0}")]
    Away(String),
    /// It refuses.
    #[error("EntryGuard refuses: {0}")]
    Refused(String),
    /// There is no such session.
    #[error("there is no such session")]
    NoSession,
}

/// A session's key, which this job chose.
#[derive(Clone, Debug)]
pub struct Key(SecretString);

/// The server at an address.
#[derive(Clone, Debug)]
pub struct Server {
    url: String,
}

impl Key {
    /// A new key, that nobody can guess.
    pub fn new() -> Self {
        Self(SecretString::from(format!("egs_{}", random_hex::<32>())))
    }

    /// A key that was kept.
    pub fn kept(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The key itself, to be kept for the post step.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Server {
    /// The server at this address.
    pub fn at(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned() }
    }

    /// Asks for a session. Asked again with the same key, it starts no second one.
    pub async fn start(&self, inputs: &Inputs, key: &Key, token: &SecretString) -> Result<Session, ServerError> {
        let reason = Some(&inputs.reason).filter(|reason| !reason.is_empty());
        let body = json!({
            "duration": inputs.duration, "reason": reason, "key": key.expose(),
            "ipv4Address": inputs.ip.v4, "ipv6Address": inputs.ip.v6,
        });
        self.ask(Method::POST, "sessions", token, Some(&body)).await
    }

    /// How the session is.
    pub async fn show(&self, key: &Key) -> Result<Session, ServerError> {
        self.ask(Method::GET, "sessions/current", &key.0, None).await
    }

    /// How the session is once it is on its way no more, or after a few seconds.
    pub async fn show_when_settled(&self, key: &Key) -> Result<Session, ServerError> {
        self.ask(Method::GET, "sessions/current?wait=5s", &key.0, None).await
    }

    /// Ends the session.
    pub async fn stop(&self, key: &Key) -> Result<Session, ServerError> {
        self.ask(Method::POST, "sessions/current/stop", &key.0, None).await
    }

    /// Ends a session whose start was cut off: it may only be beginning when this is asked.
    pub async fn stop_what_may_begin(&self, key: &Key) -> Result<Session, ServerError> {
        match self.stop(key).await {
            Err(ServerError::NoSession) => {
                tokio::time::sleep(LATE_CALLS).await;
                self.stop(key).await
            }
            answer => answer,
        }
    }

    async fn ask(&self, method: Method, path: &str, bearer: &SecretString, body: Option<&Value>) -> Result<Session, ServerError> {
        let url = format!("{}/api/v1/{path}", self.url);
        let answer = call(method, &url, bearer, body).await.map_err(|error| match error {
            NoAnswer::Address(_) => ServerError::Refused(error.to_string()),
            NoAnswer::Silent(..) => ServerError::Away(error.to_string()),
        })?;
        understood(answer)
    }
}

fn understood(answer: Answer) -> Result<Session, ServerError> {
    let detail = answer.body["detail"].as_str().map_or_else(|| format!("it answered {}", answer.status), str::to_owned);
    match answer.status {
        status if status.is_success() => serde_json::from_value(answer.body)
            .map_err(|error| ServerError::Refused(format!("the server's answer makes no sense to this version ({error})"))),
        StatusCode::NOT_FOUND if answer.body["code"] == "session_unknown" => Err(ServerError::NoSession),
        // Asked too often, by this job or by others of the same member: it passes.
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Err(ServerError::Away(detail)),
        _ => Err(ServerError::Refused(detail)),
    }
}
