//! Who calls: a workflow by GitHub's token, which is good for one request, or whoever holds a session's key.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use entryguard_core::domain::{NoMember, SessionId, Surface, WorkflowRun};
use entryguard_core::engine::{Caller, SessionKey};
use http::{StatusCode, header};

use super::ApiState;
use super::problem::Problem;

/// A workflow that is a member, and the run that it is in.
pub struct Workflow(pub Caller, pub Option<WorkflowRun>);

/// Whoever holds a session's key, and the session.
pub struct KeyHolder(pub Caller, pub SessionId);

impl FromRequestParts<ApiState> for Workflow {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let engine = &state.shared.engine;
        let claims = state.workflows.verify(bearer(parts)?, engine).await?;
        let identity = engine.directory().identity_of_workflow(&claims).map_err(|why| {
            let told = |name: &str| claims.get(name).unwrap_or("?").to_owned();
            let (repository, id) = (told("repository"), told("repository_id"));
            let detail = match why {
                NoMember::None => format!(
                    "No member has the claims of this workflow ({repository}, event {}, ref {}). Ask an administrator to add a member with \
                     identities = [\"github:repository_id={id}\"].",
                    told("event_name"),
                    told("ref")
                ),
                NoMember::Several(names) => {
                    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
                    format!("The claims of this workflow ({repository}) are those of {}; make their identities exclude each other.", names.join(" and of "))
                }
            };
            Problem::new(StatusCode::FORBIDDEN, "unknown_member", "Not a member", detail)
        })?;
        Ok(Self(engine.caller(&identity, Surface::Github)?, claims.run()))
    }
}

impl FromRequestParts<ApiState> for KeyHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let key = SessionKey::parse(bearer(parts)?);
        let key = key.map_err(|error| Problem::new(StatusCode::UNAUTHORIZED, "key_refused", "Key refused", error.to_string()))?;
        let (caller, session) = state.shared.engine.by_session_key(&key, Surface::Github).await?;
        Ok(Self(caller, session))
    }
}

fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
    let only = given.next().filter(|_| given.next().is_none());
    let token = only.and_then(|value| value.to_str().ok()).and_then(|text| text.strip_prefix("Bearer ")).map(str::trim);
    token.filter(|token| !token.is_empty()).ok_or_else(|| {
        let detail = "Send `Authorization: Bearer …` with a token of GitHub's for a new session, or with the session's key for one that is there.";
        Problem::new(StatusCode::UNAUTHORIZED, "no_token", "No token", detail)
    })
}
