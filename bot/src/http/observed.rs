//! What there is to know of each request: a span, a line in the log, and numbers. The route's template stands in all of them and never
//! the path, for a path can be a one-time link.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use entryguard_core::config::ServerSettings;
use http::{Method, StatusCode};
use metrics::{counter, histogram};
use tower_http::request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tracing::{Instrument, field};

use super::request_id::{self, OwnIds};

/// What no route of ours is for.
const UNMATCHED: &str = "unmatched";

/// The same routes, each request with an id, a span and numbers.
pub fn observed(router: Router, server: &Arc<ServerSettings>) -> Router {
    // From the inside out: the last layer sees a request first.
    router
        .layer(from_fn(observe))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(OwnIds))
        .layer(from_fn_with_state(Arc::clone(server), name))
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
