//! The pace that Discord demands: buckets that say what is left of them, and waits that it notes where they are not kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State as Given};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Shared, State};

/// Lets a call through, or not, and says what is left.
pub async fn keep(Given(shared): Given<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some(kind) = kind(&request) else { return next.run(request).await };
    if let Some(refused) = refused_now(&mut shared.state(), &kind, request.method() == Method::POST) {
        return refused;
    }
    let mut answer = next.run(request).await;
    for (name, value) in left(&mut shared.state(), &kind) {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(&value).expect("a number"));
    }
    answer
}

/// Messages of one channel are counted together, posts and edits apart.
fn kind(request: &Request) -> Option<String> {
    let mut parts = request.uri().path().split('/').skip(3);
    match (parts.next(), parts.next(), parts.next(), parts.nth(1)) {
        (Some("channels"), Some(channel), Some("messages"), None) => Some(format!("{} {channel}", request.method())),
        _ => None,
    }
}

fn refused_now(state: &mut State, kind: &str, is_post: bool) -> Option<Response> {
    let now = Instant::now();
    if state.too_early.get(kind).is_some_and(|until| *until > now) {
        state.violations.push(format!("{kind}: called before the end of the wait"));
    }
    if is_post && state.limited.0 > 0 {
        state.limited.0 -= 1;
        let wait = state.limited.1;
        return Some(too_fast(state, kind, Duration::from_secs(wait)));
    }
    let (calls, window) = state.narrow?;
    let window = Duration::from_millis(window);
    let (since, made) = state.windows.entry(kind.to_owned()).or_insert((now, 0));
    if since.elapsed() >= window {
        (*since, *made) = (now, 0);
    }
    if *made == calls {
        let wait = window.saturating_sub(since.elapsed());
        state.violations.push(format!("{kind}: called although the bucket was empty"));
        return Some(too_fast(state, kind, wait));
    }
    *made += 1;
    None
}

fn too_fast(state: &mut State, kind: &str, wait: Duration) -> Response {
    state.too_early.insert(kind.to_owned(), Instant::now() + wait);
    let seconds = wait.as_secs_f64();
    let body = Json(json!({ "message": "You are being rate limited.", "retry_after": seconds, "global": false }));
    let headers =
        [("retry-after", seconds.to_string()), ("x-ratelimit-scope", "user".to_owned()), ("via", "1.1 google".to_owned())];
    (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response()
}

fn left(state: &mut State, kind: &str) -> Vec<(&'static str, String)> {
    let (Some((calls, window)), Some((since, made))) = (state.narrow, state.windows.get(kind)) else { return Vec::new() };
    let after = Duration::from_millis(window).saturating_sub(since.elapsed());
    vec![
        ("x-ratelimit-limit", calls.to_string()),
        ("x-ratelimit-remaining", (calls - made).to_string()),
        ("x-ratelimit-reset-after", format!("{:.3}", after.as_secs_f64() + 0.001)),
    ]
}
