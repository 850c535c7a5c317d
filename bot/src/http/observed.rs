//! What there is to know of each request: a span, a line in the log, and numbers. The route's template stands in all of them and never
//! the path, for a path can be a one-time link.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use entryguard_core::config::ServerSettings;
use http::{Method, StatusCode, Uri};
use metrics::{counter, histogram};
use tower_http::request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tracing::{Instrument, field};

use super::metered::Held;
use super::request_id::{self, OwnIds};

/// What no route of ours is for.
const UNMATCHED: &str = "unmatched";
/// How long a request may come in and be thought about: what waits is answered after a minute. A stream of events has been answered
/// once it begins.
const TO_ANSWER: Duration = Duration::from_secs(90);

/// Why a request is not answered by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It was neither there nor answered in time.
    TooLate,
    /// The server has no memory or no connection to spare for it.
    TooMuch,
}

/// What is answered then, in the words of the path.
pub type Instead = fn(&Uri, Unanswered) -> Response;

/// The same routes, each request with an id, a span and numbers, and an end.
pub fn observed(router: Router, server: &Arc<ServerSettings>, instead: Instead) -> Router {
    observed_within(TO_ANSWER, router, server, instead)
}

fn observed_within(patience: Duration, router: Router, server: &Arc<ServerSettings>, instead: Instead) -> Router {
    // From the inside out: the last layer sees a request first.
    bounded_within(patience, router, instead)
        .layer(from_fn(observe))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(OwnIds))
        .layer(from_fn_with_state(Arc::clone(server), name))
}

/// The same end alone, for what others watch.
pub fn bounded(router: Router, instead: Instead) -> Router {
    bounded_within(TO_ANSWER, router, instead)
}

fn bounded_within(patience: Duration, router: Router, instead: Instead) -> Router {
    router.layer(from_fn(move |request, next| in_time(patience, instead, request, next)))
}

async fn in_time(patience: Duration, instead: Instead, request: Request, next: Next) -> Response {
    let (uri, held) = (request.uri().clone(), request.extensions().get::<Arc<Held>>().cloned());
    let is_refused = || held.as_ref().is_some_and(|held| held.is_refused());
    if is_refused() {
        return instead(&uri, Unanswered::TooMuch);
    }
    let answered = tokio::time::timeout(patience, next.run(request)).await;
    // Whatever read the body knows no more than that it broke off.
    if is_refused() {
        return instead(&uri, Unanswered::TooMuch);
    }
    answered.unwrap_or_else(|_| instead(&uri, Unanswered::TooLate))
}

async fn name(State(server): State<Arc<ServerSettings>>, request: Request, next: Next) -> Response {
    next.run(request_id::keep_only_a_proxys(&server, request)).await
}

async fn observe(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let id = id.unwrap_or_default().to_owned();
    let span = tracing::info_span!(
        "request",
        "otel.name" = format!("{method} {route}"),
        "otel.kind" = "server",
        request_id = id,
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = field::Empty,
        "otel.status_code" = field::Empty,
        latency_ms = field::Empty,
    );
    let began = Instant::now();
    let response = request_id::within(id, next.run(request)).instrument(span.clone()).await;
    let (status, latency) = (response.status(), began.elapsed());
    span.record("http.response.status_code", status.as_u16());
    span.record("latency_ms", u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    span.in_scope(|| log(&route, status));
    let seconds = latency.as_secs_f64();
    counter!("entryguard_http_requests_total", "method" => method, "route" => route.clone(), "status" => status.as_str().to_owned())
        .increment(1);
    if let Some(surface) = chat_of(&route) {
        acknowledged(surface, seconds);
    }
    histogram!("entryguard_http_request_seconds", "method" => method, "route" => route).record(seconds);
    response
}

/// A chat's command, press or event has been answered.
pub fn acknowledged(surface: &'static str, seconds: f64) {
    histogram!("entryguard_ack_seconds", "surface" => surface).record(seconds);
}

/// Whoever asks whether we are alive asks often.
fn log(route: &str, status: StatusCode) {
    match route {
        "/healthz" | "/readyz" | "/metrics" => tracing::debug!(status = status.as_u16(), "answered"),
        _ => tracing::info!(status = status.as_u16(), "answered"),
    }
}

/// A method's name. Anybody can make up others, and each would be a number of its own.
const fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn chat_of(route: &str) -> Option<&'static str> {
    match route.split('/').nth(1) {
        Some("slack") => Some("slack"),
        Some("discord") => Some("discord"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn late(uri: &Uri, _: Unanswered) -> Response {
        (StatusCode::REQUEST_TIMEOUT, format!("{} {}", uri.path(), request_id::current().unwrap_or_default())).into_response()
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_answered_under_its_id() {
        let server = Arc::new(ServerSettings {
            listen: ([127, 0, 0, 1], 8080).into(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            ipv4_url: None,
            ipv6_url: None,
            trusted_proxies: Vec::new(),
            metrics_listen: None,
        });
        let router = Router::new().nest("/api", Router::new().route("/sessions", post(async |body: String| body)));
        let router = observed_within(Duration::from_millis(300), router, &server, late);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        connection.write_all(b"POST /api/sessions HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\na").await.unwrap();
        let mut answer = String::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), connection.read_to_string(&mut answer)).await;
        serving.abort();
        assert!(ended.is_ok() && answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("its id");
        assert!(!id.is_empty() && body.contains(&format!("/api/sessions {id}")), "{answer}");
    }
}
