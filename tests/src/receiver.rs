//! A receiver of webhooks: it verifies what it is sent as Standard Webhooks' own library does, and answers as it was told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State as Given;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::eventually::eventually;
use crate::loopback::Listener;

/// What a world's server signs with.
pub const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// What it signed with before.
pub const OLD_HOOK_SECRET: &str = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// A receiver.
#[derive(Debug)]
pub struct Receiver {
    listener: Listener,
    shared: Arc<Shared>,
}

/// What it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// The message's id.
    pub id: String,
    /// The body, byte for byte.
    pub body: String,
    /// Whether it was taken.
    pub taken: bool,
    /// By which secrets its signature is right.
    pub verified: Vec<&'static str>,
}

#[derive(Debug)]
struct Shared {
    answer: Mutex<(u16, Option<String>, Duration)>,
    seen: Mutex<Vec<Delivered>>,
    elsewhere: Mutex<u32>,
}

impl Receiver {
    /// Opens, and takes whatever it is sent.
    pub async fn open() -> Self {
        let answer = Mutex::new((204, None, Duration::ZERO));
        let shared = Arc::new(Shared { answer, seen: Mutex::default(), elsewhere: Mutex::default() });
        let router = Router::new().route("/in", post(take)).route("/elsewhere", post(elsewhere)).with_state(Arc::clone(&shared));
        Self { listener: Listener::serve(router).await, shared }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("{}/in", self.listener.address)
    }

    /// A webhook's table of the configuration, with further keys.
    pub fn table(&self, name: &str, more: &str) -> String {
        let url = self.url();
        format!("[[webhook]]\nname = {name:?}\nurl = {url:?}\nsecret = {{ env = \"HOOK_SECRET\" }}\n{more}\n")
    }

    /// Answers with this status from here on, and perhaps a `Retry-After` or a `Location`.
    pub fn answer(&self, status: u16, header: Option<&str>) {
        let mut answer = lock(&self.shared.answer);
        (answer.0, answer.1) = (status, header.map(str::to_owned));
    }

    /// Takes so long for each answer.
    pub fn slow_down(&self, by: Duration) {
        lock(&self.shared.answer).2 = by;
    }

    /// All that it was sent, taken or not, in order.
    pub fn seen(&self) -> Vec<Delivered> {
        lock(&self.shared.seen).clone()
    }

    /// How often somebody followed a redirect of its.
    pub fn followed(&self) -> u32 {
        *lock(&self.shared.elsewhere)
    }

    /// The events that it took, in order, each once however often it came.
    pub fn events(&self) -> Vec<String> {
        let mut known = BTreeSet::new();
        let taken = self.seen().into_iter().filter(|delivered| delivered.taken && known.insert(delivered.id.clone()));
        taken.map(|delivered| delivered.event()).collect()
    }

    /// Waits until it has taken this event, for so long.
    pub async fn wait_for(&self, event: &str, patience: Duration) -> Delivered {
        eventually(&format!("the receiver is told of {event}"), patience, async || {
            let seen = self.seen();
            let found = seen.iter().find(|delivered| delivered.taken && delivered.event() == event).cloned();
            found.ok_or_else(|| format!("{:?}", seen.iter().map(|one| (one.event(), one.taken)).collect::<Vec<_>>()))
        })
        .await
    }
}

impl Delivered {
    /// What it says.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a webhook's body is JSON")
    }

    /// What it tells of.
    pub fn event(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }
}

async fn take(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let (status, header, wait) = lock(&shared.answer).clone();
    tokio::time::sleep(wait).await;
    let verifies = |secret: &str| Webhook::new(secret).is_ok_and(|webhook| webhook.verify(body.as_bytes(), &headers).is_ok());
    let verified = [HOOK_SECRET, OLD_HOOK_SECRET].into_iter().filter(|secret| verifies(secret)).collect();
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    lock(&shared.seen).push(Delivered { id, body, taken: (200..300).contains(&status), verified });
    let status = StatusCode::from_u16(status).expect("a status");
    match header {
        Some(to) if status.is_redirection() => (status, [("location", to)]).into_response(),
        Some(after) => (status, [("retry-after", after)]).into_response(),
        None => status.into_response(),
    }
}

async fn elsewhere(Given(shared): Given<Arc<Shared>>) -> StatusCode {
    *lock(&shared.elsewhere) += 1;
    StatusCode::NO_CONTENT
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
