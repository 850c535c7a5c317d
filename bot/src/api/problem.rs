//! Errors as `application/problem+json` (RFC 9457): a stable code for programs, a sentence for people.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::foreign_text::one_line;
use entryguard_core::engine::EngineError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::codes::{self, Code};
use crate::github::TokenRefused;
use crate::http::request_id;
use crate::http::streams::{AGAIN, OneTooMany};

/// When to ask again while the database does not work.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Why a request was not granted.
#[derive(Debug)]
pub struct Problem {
    of: Code,
    wait: Option<Duration>,
    detail: String,
    request_id: Option<String>,
}

/// Why a request was not granted (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// The status, once more.
    status: u16,
    /// What programs go by; it stays what it is for ever.
    code: &'static str,
    /// The same in a few words.
    title: &'static str,
    /// What happened, why, and what to do next.
    detail: String,
    /// By which the request is found in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Problem {
    /// A problem.
    pub fn new(of: Code, detail: impl Into<String>) -> Self {
        Self { of, wait: None, detail: one_line(&detail.into()), request_id: request_id::current() }
    }

    /// A request that makes no sense.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(codes::MALFORMED, detail)
    }

    /// The same, to be asked again after so long.
    pub fn after(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }

    /// What happened, why, and what to do next.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What programs and people are told.
    pub fn into_body(self) -> ProblemBody {
        let Self { of, detail, request_id, .. } = self;
        ProblemBody { status: of.status.as_u16(), code: of.code, title: of.title, detail, request_id }
    }

    /// Whether it is about what the caller showed.
    pub fn is_about_who_asks(&self) -> bool {
        self.of.status == StatusCode::UNAUTHORIZED || self.of.code == codes::SESSION_UNKNOWN.code
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        if error.is_ours() {
            tracing::error!(error = ?error, "an API request failed");
        }
        let (problem, is_over_soon) = (Self::new(code_of(&error), error.to_string()), error.is_ours());
        if is_over_soon { problem.after(TRY_AGAIN) } else { problem }
    }
}

/// Without a branch for all others: a new refusal gets its code where it is added.
fn code_of(error: &EngineError) -> Code {
    match error {
        EngineError::UnknownMember { .. } | EngineError::MemberLeft(_) | EngineError::Departed { .. } => codes::UNKNOWN_MEMBER,
        EngineError::ApiKey(_) => codes::KEY_REFUSED,
        EngineError::ScopeMissing(_) => codes::SCOPE_MISSING,
        EngineError::AdministratorsOnly => codes::ADMINISTRATORS_ONLY,
        EngineError::NoResources { .. } => codes::NO_RESOURCES,
        EngineError::Duration(_) => codes::DURATION_REFUSED,
        EngineError::Closed(_) => codes::OUTSIDE_HOURS,
        EngineError::TooManySessions { .. } => codes::TOO_MANY_SESSIONS,
        EngineError::Address(_) => codes::ADDRESS_REFUSED,
        EngineError::NotByHand => codes::ADDRESS_BY_HAND,
        EngineError::NoGlassToBreak => codes::NO_GLASS_TO_BREAK,
        EngineError::BreakGlassRefused => codes::BREAK_GLASS_REFUSED,
        EngineError::NobodyToApprove { .. } => codes::NOBODY_TO_APPROVE,
        EngineError::MoreTimeTakesApproval { .. } => codes::APPROVAL_NEEDED,
        EngineError::IdempotencyKeyReused => codes::IDEMPOTENCY_KEY_REUSED,
        EngineError::Refused(_) => codes::NOT_OPENING,
        EngineError::Panic { .. } => codes::CLOSED,
        EngineError::SessionKeyUnknown | EngineError::SessionUnknown(_) | EngineError::NoLiveSession => codes::SESSION_UNKNOWN,
        EngineError::SessionAmbiguous(_) | EngineError::WhichSession(_) => codes::SESSION_AMBIGUOUS,
        EngineError::Over { .. } => codes::SESSION_OVER,
        EngineError::NotOpen { .. } => codes::SESSION_NOT_OPEN,
        EngineError::AtTheLimit { .. } => codes::AT_THE_LIMIT,
        EngineError::Store(_) => codes::UNAVAILABLE,
        // What no route of ours asks for: links, codes, answers to requests, browsers.
        EngineError::SignedOut
        | EngineError::NoSignIn
        | EngineError::GuestsJoinOthers { .. }
        | EngineError::JoinCodeUnknown(_)
        | EngineError::JoinedAlready(_)
        | EngineError::SomebodyElses { .. }
        | EngineError::NotJoined(_)
        | EngineError::NothingRemembered
        | EngineError::RememberedAnother
        | EngineError::OwnRequest
        | EngineError::NotAnApprover { .. }
        | EngineError::NothingToClose(_)
        | EngineError::PanicAskedLongAgo { .. }
        | EngineError::PanicUnfinished { .. }
        | EngineError::NothingToMove { .. }
        | EngineError::ScheduledStays { .. }
        | EngineError::RequestUnknown(_)
        | EngineError::AnsweredAlready { .. }
        | EngineError::RequestKeyGone { .. }
        | EngineError::LinkUnknown
        | EngineError::LinkExpired(_)
        | EngineError::LinkUsed => codes::REFUSED,
    }
}

impl From<OneTooMany> for Problem {
    fn from(why: OneTooMany) -> Self {
        Self::new(codes::TOO_MANY_REQUESTS, why.to_string()).after(AGAIN)
    }
}

impl From<TokenRefused> for Problem {
    fn from(refused: TokenRefused) -> Self {
        match refused {
            TokenRefused::Engine(error) => error.into(),
            TokenRefused::NoKeys(_) => Self::new(codes::ISSUER_UNAVAILABLE, refused.to_string()),
            refused => Self::new(codes::TOKEN_REFUSED, refused.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (of, wait) = (self.of, self.wait);
        let mut response = (of.status, Json(self.into_body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if of.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = wait {
            // Whole seconds, and never too early.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }
}
