//! Sessions: started, listed, seen, extended and stopped by members.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use entryguard_core::command::reason_from;
use entryguard_core::domain::{Addresses, HostAddress, LearntBy, WorkflowRun};
use entryguard_core::engine::{Caller, EngineError, Idempotency, Page, SessionKey, StartRequest, Which, Whose};
use entryguard_core::store::SessionView;
use http::{HeaderMap, StatusCode, header};

use super::ApiState;
use super::asked::{AllSessionsQuery, Asked, Body, Named, Part, SessionsQuery, WaitQuery};
use super::auth::{Granted, ToOpen, ToSee, ToStop};
use super::body::{ExtendBody, ExtendedBody, SessionBody, SessionsBody, StartBody, StopBody, StoppedBody, duration};
use super::codes;
use super::problem::Problem;
use super::refusals::{OfAll, OfChange, OfOne, OfStart, OfStop};
use super::waiting::Waiting;
use crate::http::Shared;
use crate::http::client_address::ClientAddress;

type Answer = Result<Json<SessionBody>, Problem>;

/// Starts a session for the address that the request came from, or for the ones that it gives.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", operation_id = "startSession", request_body = StartBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "A name of your choice for this request, good for 24 hours: sent again with it, the request starts no second session")),
    responses((status = 201, description = "The session, on its way; `Location` says where it is", body = SessionBody), OfStart)
)]
pub async fn start(
    State(state): State<ApiState>,
    Granted { caller, run, .. }: Granted<ToOpen>,
    client: ClientAddress,
    headers: HeaderMap,
    Body(body): Body<StartBody>,
) -> Result<Response, Problem> {
    let (addresses, learnt_by) = addresses(&body, client)?;
    let once = idempotency(&headers, run.as_ref(), &body, addresses)?;
    let key = body.key.as_deref().map(SessionKey::parse).transpose().map_err(|error| Problem::malformed(error.to_string()))?;
    let duration = duration(body.duration.as_deref(), body.duration_hours, &state.shared.engine.allowed(&caller))?;
    let reason = reason_from(body.reason.as_deref().unwrap_or_default());
    let reason = reason.map_err(|error| Problem::malformed(format!("{error}.")))?;
    let break_glass = body.break_glass;
    let request = StartRequest { duration, reason, break_glass, addresses, learnt_by, place: None, key, run, once };
    let started = state.shared.engine.start(&caller, request).await?;
    let session = shown(&state, &started.view);
    let location = format!("/api/v1/sessions/{}", session.id());
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(session)).into_response())
}

/// Lists the caller's sessions, the newest first.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", operation_id = "listSessions", params(SessionsQuery),
    responses((status = 200, description = "A part of the list", body = SessionsBody), OfAll)
)]
pub async fn list(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToSee>,
    Asked(query): Asked<SessionsQuery>,
) -> Result<Json<SessionsBody>, Problem> {
    listed(&state, &caller, &Whose::Own, query.part()?).await
}

/// Lists everybody's sessions, for administrators, the newest first.
#[utoipa::path(
    get, path = "/api/v1/sessions/admin", tag = "sessions", operation_id = "listAllSessions", params(AllSessionsQuery),
    responses((status = 200, description = "A part of the list", body = SessionsBody), OfAll)
)]
pub async fn list_all(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToSee>,
    Asked(query): Asked<AllSessionsQuery>,
) -> Result<Json<SessionsBody>, Problem> {
    if !caller.is_admin() {
        return Err(EngineError::AdministratorsOnly.into());
    }
    let whose = query.member()?.map_or(Whose::Everybodys, Whose::Of);
    listed(&state, &caller, &whose, query.part()?).await
}

/// Shows a session.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "showSession",
    params(("id" = String, Path, description = "The session's id, or its beginning"), WaitQuery),
    responses((status = 200, description = "The session", body = SessionBody), OfOne)
)]
pub async fn show(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToSee>,
    Named(id): Named,
    Asked(query): Asked<WaitQuery>,
) -> Answer {
    let Shared { engine, streams, .. } = &state.shared;
    let mut waiting = Waiting::begin(&state.shared, format!("member {}", caller.name()), query.span()?)?;
    loop {
        let view = streams.look(engine.look_again(&caller, &id)).await?;
        if !waiting.goes_on(&view).await {
            return Ok(Json(shown(&state, &view)));
        }
    }
}

/// Stops a session. Stopping what is over changes nothing. It is never refused for having been asked too often.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/stop", tag = "sessions", operation_id = "stopSession",
    params(("id" = String, Path, description = "The session's id, or its beginning")),
    responses((status = 200, description = "The session, EXPIRING until its last rule is gone", body = SessionBody), OfOne)
)]
pub async fn stop(State(state): State<ApiState>, Granted { caller, .. }: Granted<ToStop>, Named(id): Named) -> Answer {
    let stopped = state.shared.engine.stop(&caller, &Which::Named(id.clone())).await?;
    match stopped.first() {
        Some(view) => Ok(Json(shown(&state, view))),
        None => Err(EngineError::SessionUnknown(id).into()),
    }
}

/// Stops all of the caller's sessions, or the only one that is running, without naming any. It is never refused for having been asked too
/// often.
#[utoipa::path(
    post, path = "/api/v1/sessions/stop", tag = "sessions", operation_id = "stopSessions", request_body = StopBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "A name of your choice for this request, good for 24 hours: sent again with it, the request stops no other session than \
            at first. All of them need none")),
    responses((status = 200, description = "The sessions, EXPIRING until their last rules are gone", body = StoppedBody), OfStop)
)]
pub async fn stop_unnamed(
    State(state): State<ApiState>,
    Granted { caller, run, .. }: Granted<ToStop>,
    headers: HeaderMap,
    Body(body): Body<StopBody>,
) -> Result<Json<StoppedBody>, Problem> {
    let (engine, key) = (&state.shared.engine, idempotency_key(&headers, run.as_ref())?);
    let stopped = match (body.all, key) {
        (true, _) => match engine.stop(&caller, &Which::AllOwn).await {
            // Asked twice, all of them are stopped.
            Err(EngineError::NoLiveSession) => Vec::new(),
            stopped => stopped?,
        },
        (false, Some(key)) => engine.stop_the_only(&caller, &Idempotency::new(&key, STOP_THE_ONLY)).await?,
        (false, None) => engine.stop(&caller, &Which::TheOnly).await?,
    };
    Ok(Json(StoppedBody { sessions: stopped.iter().map(|view| shown(&state, view)).collect() }))
}

/// Extends a session, as far as its limit.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/extend", tag = "sessions", operation_id = "extendSession", request_body = ExtendBody,
    params(("id" = String, Path, description = "The session's id, or its beginning")),
    responses((status = 200, description = "The session with its new end", body = ExtendedBody), OfChange)
)]
pub async fn extend(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToOpen>,
    Named(id): Named,
    Body(body): Body<ExtendBody>,
) -> Result<Json<ExtendedBody>, Problem> {
    let by = duration(body.duration.as_deref(), body.duration_hours, &state.shared.engine.allowed(&caller))?;
    let extended = state.shared.engine.extend(&caller, &Which::Named(id), by).await?;
    let capped_by = extended.capped_by.map(|limit| limit.set_by.to_string());
    Ok(Json(ExtendedBody::new(shown(&state, &extended.view), capped_by)))
}

/// A session as the API shows it.
pub fn shown(state: &ApiState, view: &SessionView) -> SessionBody {
    let directory = state.shared.engine.directory();
    SessionBody::new(view, directory.members.get(&view.session.member))
}

async fn listed(state: &ApiState, caller: &Caller, whose: &Whose, part: Part) -> Result<Json<SessionsBody>, Problem> {
    let Page { sessions, next } = state.shared.engine.page(caller, whose, part.listed, part.after, part.at_most).await?;
    let sessions = sessions.iter().map(|view| shown(state, view)).collect();
    Ok(Json(SessionsBody { sessions, next_cursor: next.map(|cursor| cursor.to_string()) }))
}

/// The addresses that the request gives, or the one that it came from.
fn addresses(body: &StartBody, client: ClientAddress) -> Result<(Addresses, LearntBy), Problem> {
    let by_hand = [&body.ipv4_address, &body.ipv6_address].into_iter().flatten();
    let by_hand = by_hand.map(|text| HostAddress::parse(text)).collect::<Result<Vec<_>, _>>();
    let by_hand = by_hand.map_err(|error| Problem::malformed(error.to_string()))?;
    let (addresses, learnt_by) = match by_hand.as_slice() {
        [] => {
            let seen = client.0.map_err(|doubt| Problem::new(codes::ADDRESS_DOUBTFUL, doubt.to_string()))?;
            (Addresses::new(&[seen]), LearntBy::Request)
        }
        given => (Addresses::new(given), LearntBy::Hand),
    };
    Ok((addresses.map_err(|error| Problem::malformed(error.to_string()))?, learnt_by))
}

/// What is asked for where one is to be stopped and none is named: no start reads so, so neither is taken for the other.
const STOP_THE_ONLY: &[u8] = b"stop the only one";

/// What the caller calls this start: the same name for another one is refused. From another address it is another one: the first one's
/// session would not let them in from there.
fn idempotency(
    headers: &HeaderMap,
    run: Option<&WorkflowRun>,
    body: &StartBody,
    addresses: Addresses,
) -> Result<Option<Idempotency>, Problem> {
    let Some(key) = idempotency_key(headers, run)? else { return Ok(None) };
    // As it was understood: another order of its fields asks for nothing else.
    let asked = serde_json::to_vec(&(body, addresses.to_string())).map_err(|error| Problem::malformed(error.to_string()))?;
    Ok(Some(Idempotency::new(&key, &asked)))
}

/// What the caller calls this request. Each run of a workflow has names of its own, as it has sessions of its own.
fn idempotency_key(headers: &HeaderMap, run: Option<&WorkflowRun>) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
    match (key, given.next()) {
        (Some(key), None) => {
            // No key has a space.
            let of_run = run.map(|run| format!("{}/{}/{} ", run.repository, run.run, run.attempt)).unwrap_or_default();
            Ok(Some(format!("{of_run}{key}")))
        }
        _ => Err(Problem::malformed("Idempotency-Key: one of 1 to 255 visible ASCII characters.")),
    }
}
