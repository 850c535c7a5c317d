//! What a request says: its body, its query, the session in its path. What makes no sense is a problem of ours, with its code.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use entryguard_core::domain::{MemberName, SessionCursor, SessionId, Span, Timestamp};
use entryguard_core::engine::{AuditFilter, Listed};
use http::header;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use super::codes;
use super::problem::Problem;

/// The body. Without one, whatever may be left out is.
pub struct Body<T>(pub T);

/// The query.
pub struct Asked<T>(pub T);

/// The session of the path, by its id or the beginning of it.
pub struct Named(pub String);

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// Answer only when the session is on its way no more (no longer REQUESTED, PENDING, EXPIRING or being extended), or when this time
    /// is over: `30s`. Not more than a minute.
    #[param(example = "30s")]
    wait: Option<String>,
}

/// Which sessions.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// However far they have come.
    #[default]
    All,
    /// Neither stopped nor run out.
    Live,
    /// Live, or with something left to close.
    Unclosed,
    /// Over, and closed.
    Past,
}

/// Which part of a list of sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SessionsQuery {
    /// How far they have come.
    #[serde(default)]
    state: State,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// Not more than so many.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: u32,
}

/// Which part of everybody's sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AllSessionsQuery {
    /// Only this member's.
    member: Option<String>,
    /// How far they have come.
    #[serde(default)]
    state: State,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// Not more than so many.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: u32,
}

/// Which part of the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Not before this time (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this time (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
    /// What this member did, and what became of their sessions.
    member: Option<String>,
    /// What was done: `session.started`.
    action: Option<String>,
    /// What became of this session: its whole id.
    session: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// Not more than so many.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: u32,
}

const fn fifty() -> u32 {
    50
}

/// A part of a list.
#[derive(Debug)]
pub struct Part {
    /// How far the sessions have come.
    pub listed: Listed,
    /// After what.
    pub after: Option<SessionCursor>,
    /// How many at most.
    pub at_most: u32,
}

impl WaitQuery {
    /// How long to wait.
    pub fn span(&self) -> Result<Option<Span>, Problem> {
        let longest = Span::from_minutes(1);
        let parsed = self.wait.as_deref().map(str::parse::<Span>).transpose();
        Ok(parsed.map_err(|error| Problem::malformed(format!("wait: {error}")))?.map(|span| span.min(longest)))
    }
}

impl SessionsQuery {
    /// The part.
    pub fn part(&self) -> Result<Part, Problem> {
        part(self.state, self.cursor.as_deref(), self.limit)
    }
}

impl AllSessionsQuery {
    /// The part.
    pub fn part(&self) -> Result<Part, Problem> {
        part(self.state, self.cursor.as_deref(), self.limit)
    }

    /// Whose sessions.
    pub fn member(&self) -> Result<Option<MemberName>, Problem> {
        member(self.member.as_deref())
    }
}

impl AuditQuery {
    /// Which entries.
    pub fn filter(self) -> Result<AuditFilter, Problem> {
        let no_action = |text: &String| !text.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c));
        if self.action.as_ref().is_some_and(no_action) {
            return Err(Problem::malformed("action: write it as the log does, `session.started`."));
        }
        if self.session.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(Problem::malformed("session: give the session's whole id."));
        }
        let before = self.cursor.as_deref().map(|text| text.parse().ok().filter(|seq| *seq > 0));
        let before = before.map(|seq: Option<i64>| seq.ok_or_else(|| Problem::malformed(NO_CURSOR))).transpose()?;
        Ok(AuditFilter {
            since: time("since", self.since.as_deref())?,
            until: time("until", self.until.as_deref())?,
            member: member(self.member.as_deref())?,
            action: self.action,
            session: self.session.map(SessionId::from_stored),
            before,
            at_most: limit(self.limit)?,
        })
    }
}

const NO_CURSOR: &str = "cursor: give `nextCursor` as it was answered, or begin again without it.";

fn part(state: State, cursor: Option<&str>, at_most: u32) -> Result<Part, Problem> {
    let listed = match state {
        State::All => Listed::All,
        State::Live => Listed::Live,
        State::Unclosed => Listed::Unclosed,
        State::Past => Listed::Past,
    };
    let after = cursor.map(str::parse).transpose().map_err(|_| Problem::malformed(NO_CURSOR))?;
    Ok(Part { listed, after, at_most: limit(at_most)? })
}

fn limit(limit: u32) -> Result<u32, Problem> {
    match limit {
        1..=100 => Ok(limit),
        _ => Err(Problem::malformed("limit: from 1 to 100.")),
    }
}

fn member(name: Option<&str>) -> Result<Option<MemberName>, Problem> {
    name.map(MemberName::new).transpose().map_err(|error| Problem::malformed(format!("member: {error}.")))
}

fn time(key: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let wrong = || Problem::malformed(format!("{key}: write a time as 2026-08-01T00:00:00Z."));
    text.map(|text| Timestamp::parse(text).ok_or_else(wrong)).transpose()
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let named = named.ok().map(|Path(id)| id).filter(|id| is_id(id));
        named
            .map(Self)
            .ok_or_else(|| Problem::new(codes::SESSION_UNKNOWN, "There is no such session: an id has hexadecimal digits."))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(query)| Self(query)).map_err(|error| Problem::malformed(format!("{}.", error.body_text())))
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json =
            request.headers().get(header::CONTENT_TYPE).is_some_and(|value| is_json(value.to_str().unwrap_or_default()));
        let bytes: Result<Bytes, BytesRejection> = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| match error.status() {
            http::StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(codes::TOO_LARGE, format!("The body is larger than {} bytes.", super::LARGEST_BODY))
            }
            _ => Problem::malformed(format!("{}.", error.body_text())),
        })?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(T::default())),
            (false, false) => {
                Err(Problem::new(codes::UNSUPPORTED_MEDIA_TYPE, "Send JSON, and say `Content-Type: application/json`."))
            }
            // A list would be taken for the fields in their order.
            (false, true) if bytes.trim_ascii_start().first() != Some(&b'{') => Err(Problem::malformed("Send a JSON object.")),
            (false, true) => serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::malformed(format!("{error}."))),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
