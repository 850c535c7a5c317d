//! Errors as `application/problem+json` (RFC 9457): a stable code for programs, a sentence for people.

use axum::Json;
use axum::response::{IntoResponse, Response};
use entryguard_core::engine::EngineError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::github::TokenRefused;
use crate::http::request_id;

/// Why a request was not granted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    /// By which the request is found in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Problem {
    /// A problem. `code` stays what it is for ever.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), request_id: request_id::current() }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        if error.is_ours() {
            tracing::error!(error = ?error, "an API request failed");
        }
        let (status, code, title) = match &error {
            EngineError::UnknownMember { .. } | EngineError::MemberLeft(_) => {
                (StatusCode::FORBIDDEN, "unknown_member", "Not a member")
            }
            EngineError::NoResources { .. } => (StatusCode::FORBIDDEN, "no_resources", "No resources"),
            EngineError::Duration(_) => (StatusCode::UNPROCESSABLE_ENTITY, "duration_refused", "Duration refused"),
            EngineError::TooManySessions { .. } => (StatusCode::CONFLICT, "too_many_sessions", "Too many sessions"),
            EngineError::Address(_) => (StatusCode::UNPROCESSABLE_ENTITY, "address_refused", "Address refused"),
            EngineError::NotByHand => (StatusCode::FORBIDDEN, "address_by_hand", "An address by hand is not taken"),
            EngineError::Refused(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_opening", "Nothing is opened for now"),
            EngineError::Panic { .. } => (StatusCode::FORBIDDEN, "closed", "Closed by an administrator"),
            EngineError::SessionKeyUnknown => (StatusCode::NOT_FOUND, "session_unknown", "No such session"),
            EngineError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now"),
            _ => (StatusCode::FORBIDDEN, "refused", "Refused"),
        };
        Self::new(status, code, title, error.to_string())
    }
}

impl From<TokenRefused> for Problem {
    fn from(refused: TokenRefused) -> Self {
        match refused {
            TokenRefused::Engine(error) => error.into(),
            TokenRefused::NoKeys(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "issuer_unavailable", "The issuer is away", refused.to_string())
            }
            refused => {
                tracing::warn!(reason = %refused, "refused a token");
                Self::new(StatusCode::UNAUTHORIZED, "token_refused", "Token refused", refused.to_string())
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
