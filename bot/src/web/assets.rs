//! The one script of the pages, from our own origin. Its address has its hash, so that a browser never keeps an old one.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("script.js");

/// Where it is.
pub static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = hex::encode(Sha256::digest(SCRIPT));
    format!("/assets/{}.js", hash.get(..16).unwrap_or(&hash))
});

/// The script's route.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route(&SCRIPT_PATH, get(script))
}

async fn script() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, SCRIPT).into_response()
}
