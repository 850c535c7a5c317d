//! The page that the demo's file resource guards.

use std::path::PathBuf;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use maud::html;

use super::layout::page;
use super::visitor::WebState;
use crate::http::Page;
use crate::http::client_address::ClientAddress;

/// The file that guards the demo's page.
#[derive(Clone)]
pub struct GuardFile(pub Arc<PathBuf>);

/// The guarded page's route.
pub fn routes(guard: GuardFile) -> Router<WebState> {
    Router::new().route("/guarded", get(guarded)).layer(Extension(guard))
}

/// It goes by what stands in the allowlist file, as any program would that reads one.
async fn guarded(Extension(guard): Extension<GuardFile>, client: ClientAddress) -> Response {
    let allowed = tokio::fs::read_to_string(guard.0.as_path()).await.unwrap_or_default();
    let is_in = client.0.as_ref().is_ok_and(|address| allowed.lines().any(|line| line.trim() == address.to_string()));
    let (status, title, text) = if is_in {
        (StatusCode::OK, "You are in", "Your address is on the allowlist until your session ends.")
    } else {
        (StatusCode::FORBIDDEN, "Closed", "Your address is not on the allowlist. Start a session on the Sessions page.")
    };
    let content = html! { section class="card" { h1 { (title) } p { (text) } p { a href="/" { "Sessions" } } } };
    Page { status, markup: page(title, None, &content) }.into_response()
}
