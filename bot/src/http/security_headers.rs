//! A page, with the headers that keep it and its address to itself.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::Markup;

/// A page of ours.
pub struct Page {
    /// The status to send it with.
    pub status: StatusCode,
    /// What it shows.
    pub markup: Markup,
}

/// A page of ours that our script keeps up to date.
pub struct LivePage {
    /// The page.
    pub page: Page,
    /// Where else the script asks: this server under its other names.
    pub asks: Vec<String>,
}

/// Nothing from elsewhere, no script, no frame; the style is the page's own.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// When to ask again for what is not there for now.
const TRY_AGAIN_SECONDS: &str = "5";

/// What every answer for people has.
pub const PRIVATE: [(HeaderName, &str); 4] = [
    // Another site is told nothing, and a form of ours says where it is from: without any name it is refused.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, PRIVATE, self.markup).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
        headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(TRY_AGAIN_SECONDS));
        }
        response
    }
}

impl IntoResponse for LivePage {
    fn into_response(self) -> Response {
        let mut response = self.page.into_response();
        let asks = self.asks.iter().map(|origin| format!(" {origin}")).collect::<String>();
        let policy = format!("{CONTENT_SECURITY_POLICY}; script-src 'self'; connect-src 'self'{asks}");
        // An origin of the configuration that is no header's value only loses its page what the script does.
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}
