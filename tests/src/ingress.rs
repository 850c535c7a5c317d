//! A reverse proxy before the server, as a runner's requests meet one: it says from which address they came, and it can be down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Given;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

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
    down: AtomicBool,
    client: reqwest::Client,
}

impl Ingress {
    /// A proxy before this server, for whoever comes from this address.
    pub async fn before(server: &str, ip: &str) -> Self {
        let (server, ip, client) = (server.to_owned(), ip.to_owned(), loopback::client());
        let shared = Arc::new(Shared { server, ip, down: AtomicBool::new(false), client });
        let listener = Listener::serve(Router::new().fallback(forward).with_state(Arc::clone(&shared))).await;
        Self { listener, shared }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.listener.address
    }

    /// Lets nothing through from now on, or everything.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }
}

async fn forward(Given(shared): Given<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if shared.down.load(Ordering::Relaxed) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = shared.client.request(method, format!("{}{path}", shared.server)).body(body);
    let passed_on = ["authorization", "content-type", "accept"];
    let request = passed_on
        .iter()
        .filter_map(|name| Some((name, headers.get(*name)?)))
        .fold(request, |request, (name, value)| request.header(*name, value));
    let Ok(answer) = request.header("X-Forwarded-For", &shared.ip).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = answer.status();
    let kind = answer.headers().get("content-type").cloned();
    let mut response = (status, answer.bytes().await.unwrap_or_default()).into_response();
    response.headers_mut().extend(kind.map(|kind| (axum::http::header::CONTENT_TYPE, kind)));
    response
}
