//! Who calls: a program by an API key, a workflow by GitHub's token, which is good for one request, or whoever holds a session's key.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use entryguard_core::domain::{ApiKey, NoMember, Scope, SessionId, Surface, WorkflowRun};
use entryguard_core::engine::{Caller, SessionKey};
use http::{HeaderMap, header};

use super::ApiState;
use super::codes;
use super::problem::Problem;
use crate::http::client_address::ClientAddress;

/// Where keys may be shown, too.
const API_KEY: &str = "x-api-key";

/// A member who may do this; nobody else is a value that a handler could get.
pub struct Granted<P> {
    /// Who asks.
    pub caller: Caller,
    /// The workflow run that they are, if they are one.
    pub run: Option<WorkflowRun>,
    purpose: PhantomData<P>,
}

/// What somebody wants to do.
pub trait Purpose {
    /// What they must be allowed.
    const SCOPE: Option<Scope>;
    /// Whether they may do it only so often.
    const COUNTED: bool = true;
}

/// Seeing sessions.
pub struct ToSee;
/// Starting and extending sessions.
pub struct ToOpen;
/// Stopping sessions.
pub struct ToStop;
/// Seeing resources.
pub struct ToSeeResources;
/// Reading the audit log.
pub struct ToAudit;
/// Learning who one is.
pub struct ToKnow;

impl Purpose for ToSee {
    const SCOPE: Option<Scope> = Some(Scope::SessionsRead);
}

impl Purpose for ToOpen {
    const SCOPE: Option<Scope> = Some(Scope::SessionsWrite);
}

impl Purpose for ToStop {
    const SCOPE: Option<Scope> = Some(Scope::SessionsWrite);
    const COUNTED: bool = false;
}

impl Purpose for ToSeeResources {
    const SCOPE: Option<Scope> = Some(Scope::ResourcesRead);
}

impl Purpose for ToAudit {
    const SCOPE: Option<Scope> = Some(Scope::AuditRead);
}

impl Purpose for ToKnow {
    const SCOPE: Option<Scope> = None;
}

impl<P: Purpose> FromRequestParts<ApiState> for Granted<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let recognized = match shown(&parts.headers) {
            Ok(shown) => state.recognize(shown).await,
            Err(problem) => Err(problem),
        };
        let (caller, run) = counted(recognized, parts, state).await?;
        if P::COUNTED {
            state.limits.admit(&caller)?;
        }
        if let Some(scope) = P::SCOPE {
            caller.may(scope)?;
        }
        Ok(Self { caller, run, purpose: PhantomData })
    }
}

/// Whoever holds a session's key, and the session.
pub struct KeyHolder {
    /// Whoever chose it.
    pub caller: Caller,
    /// What it is for.
    pub session: SessionId,
    /// The key.
    pub key: SessionKey,
}

impl FromRequestParts<ApiState> for KeyHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let recognized = async {
            let key = SessionKey::parse(shown(&parts.headers)?);
            let key = key.map_err(|error| {
                let detail = format!("{error}; with anything else, name the session: /api/v1/sessions/ID.");
                Problem::new(codes::KEY_REFUSED, detail)
            })?;
            let (caller, session) = state.shared.engine.by_session_key(&key).await?;
            Ok(Self { caller, session, key })
        };
        let recognized = recognized.await;
        counted(recognized, parts, state).await
    }
}

impl ApiState {
    async fn recognize(&self, shown: &str) -> Result<(Caller, Option<WorkflowRun>), Problem> {
        if ApiKey::is_meant(shown) {
            let key = ApiKey::parse(shown).map_err(|error| Problem::new(codes::KEY_REFUSED, error.to_string()))?;
            return Ok((self.shared.engine.by_api_key(&key).await?, None));
        }
        if SessionKey::parse(shown).is_ok() {
            let detail = "A session's key sees and ends its own session alone, by /api/v1/sessions/current.";
            return Err(Problem::new(codes::KEY_REFUSED, detail));
        }
        self.workflow(shown).await
    }

    async fn workflow(&self, token: &str) -> Result<(Caller, Option<WorkflowRun>), Problem> {
        let engine = &self.shared.engine;
        let Some(workflows) = &self.workflows else {
            let detail = "This is no API key (`egk_…`), and this server takes no tokens of workflows: it has no [github].";
            return Err(Problem::new(codes::TOKEN_REFUSED, detail));
        };
        let token = workflows.verify(token, engine.now()).await?;
        let claims = &token.claims;
        let identity = engine.directory().identity_of_workflow(claims).map_err(|why| {
            let told = |name: &str| claims.get(name).unwrap_or("?").to_owned();
            let (repository, id) = (told("repository"), told("repository_id"));
            let detail = match why {
                NoMember::None(differences) if !differences.is_empty() => {
                    let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
                    format!(
                        "No member has the claims of this workflow ({repository}). For the nearest identity, {}. Change the job, or ask \
                         an administrator to change the identity.",
                        differences.join("; ")
                    )
                }
                NoMember::None(_) => format!(
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
            Problem::new(codes::UNKNOWN_MEMBER, detail)
        })?;
        token.use_up(engine).await?;
        Ok((engine.caller(&identity, Surface::Github)?, claims.run()))
    }
}

/// Counts what was not taken against the address that it came from.
async fn counted<T>(recognized: Result<T, Problem>, parts: &mut Parts, state: &ApiState) -> Result<T, Problem> {
    let problem = match recognized {
        Err(problem) if problem.is_about_who_asks() => problem,
        other => return other,
    };
    let from = peer(parts, state).await;
    state.limits.count_wrong(from)?;
    tracing::warn!(reason = %problem.detail(), %from, "refused what a caller of the API showed");
    Err(problem)
}

async fn peer(parts: &mut Parts, state: &ApiState) -> IpAddr {
    let Ok(client) = ClientAddress::from_request_parts(parts, state).await;
    let connected = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    client.0.ok().map(|address| address.ip()).or_else(connected).unwrap_or(IpAddr::from([0, 0, 0, 0]))
}

/// The one thing that the caller shows.
fn shown(headers: &HeaderMap) -> Result<&str, Problem> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| bearer(value.to_str().ok()?));
    let keys = headers.get_all(API_KEY).iter().map(|value| value.to_str().ok());
    let all: Vec<_> = bearers.chain(keys).collect();
    match all.as_slice() {
        [Some(only)] if !only.trim().is_empty() => Ok(only.trim()),
        [] | [_] => {
            let detail = "Send `Authorization: Bearer …` or `X-API-Key: …` with an API key (`entryguard api-key create` makes one), \
                          with a token of GitHub's for a new session, or with the session's key for one that is there.";
            Err(Problem::new(codes::NO_TOKEN, detail))
        }
        _ => {
            let detail = "The request shows two credentials, and whose it is would hang on which is looked at. Send one.";
            Err(Problem::new(codes::TWO_CREDENTIALS, detail))
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(headers: &[(&'static str, &'static str)]) -> Result<String, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        shown(&map)
            .map(str::to_owned)
            .map_err(|problem| serde_json::to_value(problem.into_body()).unwrap()["code"].as_str().unwrap().to_owned())
    }

    #[test]
    fn one_credential_is_shown_and_no_two() {
        assert_eq!(code_of(&[("authorization", "Bearer egk_1")]), Ok("egk_1".into()));
        assert_eq!(code_of(&[("authorization", "bearer egk_1")]), Ok("egk_1".into()));
        assert_eq!(code_of(&[("x-api-key", "egk_1")]), Ok("egk_1".into()));
        for none in [&[][..], &[("authorization", "Basic abc")], &[("authorization", "Bearer ")], &[("x-api-key", "")]] {
            assert_eq!(code_of(none), Err("no_token".into()), "{none:?}");
        }
        for two in [
            [("authorization", "Bearer egk_1"), ("x-api-key", "egk_1")],
            [("authorization", "Bearer egk_1"), ("authorization", "Bearer egk_2")],
            [("authorization", "Basic abc"), ("x-api-key", "egk_1")],
            [("x-api-key", "egk_1"), ("x-api-key", "egk_2")],
        ] {
            assert_eq!(code_of(&two), Err("two_credentials".into()), "{two:?}");
        }
    }
}
