//! Slack's look at our certificate: `ssl_check=1`, by GET or by POST, now and then and without a signature. It is answered with 200 and
//! does nothing. Whatever else is not signed is refused before its body is read.

use axum::extract::{Query, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::signed::{SENDER, SIGNATURE};
use crate::http::signed::{Refused, unauthorized};

/// The form has this, and a token that has had its day.
#[derive(Default, Deserialize)]
pub struct SslCheck {
    ssl_check: Option<String>,
}

/// No such form is longer.
const LONGEST: usize = 1024;

impl SslCheck {
    /// Whether a form is Slack's look at our certificate.
    pub fn is_in(form: &[u8]) -> bool {
        form.len() <= LONGEST && serde_urlencoded::from_bytes::<Self>(form).is_ok_and(|read| read.asks())
    }

    fn asks(&self) -> bool {
        self.ssl_check.as_deref() == Some("1")
    }
}

/// Answers it where it comes by GET.
pub async fn by_get(Query(asked): Query<SslCheck>) -> StatusCode {
    if asked.asks() { StatusCode::OK } else { StatusCode::METHOD_NOT_ALLOWED }
}

/// Answers it where it comes by POST, and refuses all else that bears no signature.
pub async fn unsigned(request: Request, next: Next) -> Response {
    if request.method() != Method::POST || request.headers().contains_key(SIGNATURE) {
        return next.run(request).await;
    }
    match axum::body::to_bytes(request.into_body(), LONGEST).await {
        Ok(form) if SslCheck::is_in(&form) => StatusCode::OK.into_response(),
        _ => unauthorized(SENDER, &Refused::Header),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slacks_own_form_is_one() {
        assert!(SslCheck::is_in(b"ssl_check=1&token=gIkuvaNzQIHg97ATvDxqgjtO"));
        for other in ["", "ssl_check=0", "ssl_check", "text=ssl_check%3D1", r#"{"ssl_check":"1"}"#, "ssl_check=1&ssl_check=1"] {
            assert!(!SslCheck::is_in(other.as_bytes()), "{other}");
        }
        assert!(!SslCheck::is_in(format!("ssl_check=1&token={}", "x".repeat(LONGEST)).as_bytes()));
    }
}
