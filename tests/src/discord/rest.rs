//! The REST calls that a bot makes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State as Given};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{DiscordDouble, DiscordMessage, Shared, State, judge, pace};

// The calls in the words of Discord's description.
pub const ANSWER: &str = "post /interactions/{interaction_id}/{interaction_token}/callback";
const EDIT: &str = "patch /channels/{channel_id}/messages/{message_id}";
const FOLLOW_UP: &str = "patch /webhooks/{webhook_id}/{webhook_token}/messages/@original";
const OPEN_DIRECT: &str = "post /users/@me/channels";
pub const OPEN_THREAD: &str = "post /channels/{channel_id}/messages/{message_id}/threads";
const REGISTER_GLOBALLY: &str = "put /applications/{application_id}/commands";
const REGISTER: &str = "put /applications/{application_id}/guilds/{guild_id}/commands";
const SEND: &str = "post /channels/{channel_id}/messages";

type Answer = Result<Json<Value>, Response>;

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/v10/applications/{application}/commands", get(global_commands).put(register_globally))
        .route("/api/v10/channels/{channel}", get(channel).patch(change_channel))
        .route("/api/v10/guilds/{guild}", get(guild))
        .route("/api/v10/channels/{channel}/messages", post(send))
        .route("/api/v10/channels/{channel}/messages/{message}", patch(edit))
        .route("/api/v10/channels/{channel}/messages/{message}/threads", post(open_thread))
        .route("/api/v10/oauth2/applications/@me", get(application))
        .route("/api/v10/gateway", get(gateway))
        .route("/api/v10/interactions/{id}/{token}/callback", post(answer_interaction))
        .route("/api/v10/webhooks/{application}/{token}/messages/@original", patch(follow_up).delete(withdraw))
        .route("/api/v10/users/@me/channels", post(open_direct))
        .route("/api/v10/guilds/{guild}/members/{user}", get(member))
        .route("/api/v10/applications/{application}/guilds/{guild}/commands", get(commands).put(register))
        .layer(from_fn_with_state(Arc::clone(&shared), pace::keep))
        .with_state(shared)
}

async fn send(
    Given(shared): Given<Arc<Shared>>,
    headers: HeaderMap,
    Path(channel): Path<u64>,
    Json(body): Json<Value>,
) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    there(&state, channel).map_or(Ok(()), Err)?;
    if state.closed.contains(&channel) || state.locked.contains(&channel) {
        return Err(refusal(StatusCode::FORBIDDEN, 50013, "Missing Permissions"));
    }
    judge_it(&mut state, SEND, &body);
    let reference = &body["message_reference"];
    let above = reference["message_id"].as_str().and_then(|id| id.parse::<u64>().ok());
    let is_there = |id| state.messages.iter().any(|message| (message.channel, message.id) == (channel, id));
    if above.is_some_and(|id| !is_there(id)) && reference["fail_if_not_exists"] != false {
        return Err(refusal(StatusCode::BAD_REQUEST, 50035, "Invalid Form Body"));
    }
    // Whoever writes in a thread brings it back.
    state.archived.remove(&channel);
    let id = state.id();
    if !state.moderated.contains(&channel) {
        state.messages.push(DiscordMessage { channel, id, content: body.clone(), edits: 0 });
    }
    Ok(Json(message(channel, id, &body)))
}

async fn edit(
    Given(shared): Given<Arc<Shared>>,
    headers: HeaderMap,
    Path((channel, id)): Path<(u64, u64)>,
    Json(body): Json<Value>,
) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    judge_it(&mut state, EDIT, &body);
    there(&state, channel).map_or(Ok(()), Err)?;
    *state.edits_tried.entry(id).or_default() += 1;
    if let Some(left) = state.old_until.get(&id).and_then(|until| until.checked_duration_since(Instant::now())) {
        return Err(too_old(left));
    }
    if state.archived.contains(&channel) {
        return Err(refusal(StatusCode::BAD_REQUEST, 50083, "Thread is archived"));
    }
    let Some(kept) = state.messages.iter_mut().find(|message| (message.channel, message.id) == (channel, id)) else {
        return Err(refusal(StatusCode::NOT_FOUND, 10008, "Unknown Message"));
    };
    // What an edit does not name stays.
    for (key, value) in body.as_object().into_iter().flatten() {
        kept.content[key] = value.clone();
    }
    kept.edits += 1;
    Ok(Json(message(channel, id, &body)))
}

async fn open_thread(
    Given(shared): Given<Arc<Shared>>,
    headers: HeaderMap,
    Path((channel, id)): Path<(u64, u64)>,
    Json(body): Json<Value>,
) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    state.sent.push((OPEN_THREAD, body.clone()));
    there(&state, channel).map_or(Ok(()), Err)?;
    if !state.messages.iter().any(|message| (message.channel, message.id) == (channel, id)) {
        return Err(refusal(StatusCode::NOT_FOUND, 10008, "Unknown Message"));
    }
    if state.threads.contains_key(&channel) || state.direct.values().any(|direct| *direct == channel) {
        return Err(refusal(StatusCode::BAD_REQUEST, 50024, "Cannot execute action on this channel type"));
    }
    if state.threads.insert(id, channel).is_some() {
        return Err(refusal(StatusCode::BAD_REQUEST, 160_004, "A thread has already been created for this message"));
    }
    Ok(Json(channel_of_guild(id, 11, Some(channel))))
}

/// A thread comes out of the archive, or goes into it.
async fn change_channel(
    Given(shared): Given<Arc<Shared>>,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    there(&state, id).map_or(Ok(()), Err)?;
    if state.locked.contains(&id) {
        return Err(refusal(StatusCode::FORBIDDEN, 50013, "Missing Permissions"));
    }
    if body != json!({ "archived": false }) {
        state.violations.push(format!("a channel is changed: {body}"));
    }
    state.archived.remove(&id);
    Ok(Json(channel_of_guild(id, 11, Some(DiscordDouble::CHANNEL))))
}

async fn channel(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, Path(id): Path<u64>) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    there(&state, id).map_or(Ok(()), Err)?;
    if state.closed.contains(&id) {
        return Err(refusal(StatusCode::FORBIDDEN, 50001, "Missing Access"));
    }
    Ok(Json(channel_of_guild(id, 0, None)))
}

async fn guild(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, Path(id): Path<u64>) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    if state.left || id != DiscordDouble::GUILD {
        return Err(refusal(StatusCode::NOT_FOUND, 10004, "Unknown Guild"));
    }
    Ok(Json(json!({ "id": id.to_string(), "name": "The guild of the tests" })))
}

fn channel_of_guild(id: u64, kind: u8, parent: Option<u64>) -> Value {
    json!({
        "id": id.to_string(), "type": kind, "guild_id": DiscordDouble::GUILD.to_string(),
        "parent_id": parent.map(|parent| parent.to_string()), "name": "Status", "position": 0, "permission_overwrites": [],
        "nsfw": false,
    })
}

/// What somebody deleted is not there.
fn there(state: &State, channel: u64) -> Option<Response> {
    state.deleted.contains(&channel).then(|| refusal(StatusCode::NOT_FOUND, 10003, "Unknown Channel"))
}

async fn open_direct(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    state.sent.push((OPEN_DIRECT, body.clone()));
    let Some(user) = body["recipient_id"].as_str().and_then(|id| id.parse().ok()) else {
        return Err(refusal(StatusCode::BAD_REQUEST, 50035, "Invalid Form Body"));
    };
    let new = state.id();
    let channel = *state.direct.entry(user).or_insert(new);
    Ok(Json(json!({ "id": channel.to_string(), "type": 1, "recipients": [super::sender::user(user, false)] })))
}

async fn member(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, Path((_, user)): Path<(u64, u64)>) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    if state.gone.contains(&user) {
        return Err(refusal(StatusCode::NOT_FOUND, 10007, "Unknown Member"));
    }
    let roles = state.roles.get(&user).cloned().unwrap_or_default();
    Ok(Json(super::sender::member(user, false, &roles)))
}

async fn gateway(Given(shared): Given<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    Ok(Json(json!({ "url": state.gateway.url })))
}

async fn answer_interaction(
    Given(shared): Given<Arc<Shared>>,
    Path((_, token)): Path<(u64, String)>,
    Json(body): Json<Value>,
) -> Result<StatusCode, Response> {
    let mut state = shared.state();
    state.sent.push((ANSWER, body.clone()));
    if state.gateway.answered(&token, body) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(refusal(StatusCode::NOT_FOUND, 10062, "Unknown interaction"))
}

async fn follow_up(Given(shared): Given<Arc<Shared>>, Path((_, token)): Path<(u64, String)>, Json(body): Json<Value>) -> Answer {
    let mut state = shared.state();
    if state.tokens_lapsed {
        return Err(refusal(StatusCode::UNAUTHORIZED, 50027, "Invalid Webhook Token"));
    }
    state.violations.extend(judge::complaints_about(&body));
    state.sent.push((FOLLOW_UP, body.clone()));
    let answer = message(DiscordDouble::CHANNEL, 1, &body);
    state.followed.insert(token, Some(body));
    Ok(Json(answer))
}

async fn withdraw(Given(shared): Given<Arc<Shared>>, Path((_, token)): Path<(u64, String)>) -> StatusCode {
    shared.state().followed.insert(token, None);
    StatusCode::NO_CONTENT
}

async fn application(Given(shared): Given<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    Ok(Json(json!({
        "id": DiscordDouble::APPLICATION.to_string(), "name": "EntryGuard", "icon": null, "description": "", "bot_public": true,
        "bot_require_code_grant": false, "owner": null, "team": null, "verify_key": DiscordDouble::public_key(),
        "interactions_endpoint_url": format!("{}/discord/interactions", state.server),
    })))
}

async fn commands(
    Given(shared): Given<Arc<Shared>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    Ok(Json(listed(&state.commands, &query)))
}

async fn global_commands(
    Given(shared): Given<Arc<Shared>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    Ok(Json(listed(&state.global_commands, &query)))
}

/// Without the languages, where nobody asked for them.
fn listed(commands: &[Value], query: &BTreeMap<String, String>) -> Value {
    let mut listed = Value::Array(commands.to_vec());
    if query.get("with_localizations").is_none_or(|with| with != "true") {
        leave_languages_out(&mut listed);
    }
    listed
}

fn leave_languages_out(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(leave_languages_out),
        Value::Object(fields) => {
            fields.remove("name_localizations");
            fields.remove("description_localizations");
            fields.values_mut().for_each(leave_languages_out);
        }
        _ => {}
    }
}

async fn register(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Vec<Value>>) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    state.sent.push((REGISTER, Value::Array(body.clone())));
    state.commands = body.into_iter().map(|command| known(command, false)).collect();
    state.registrations += 1;
    Ok(Json(Value::Array(state.commands.clone())))
}

async fn register_globally(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Vec<Value>>) -> Answer {
    let mut state = shared.state();
    refused(&mut state, &headers).map_or(Ok(()), Err)?;
    state.sent.push((REGISTER_GLOBALLY, Value::Array(body.clone())));
    state.global_commands = body.into_iter().map(|command| known(command, true)).collect();
    Ok(Json(Value::Array(state.global_commands.clone())))
}

/// A command as Discord keeps it: where it may be used is a matter of those of everywhere alone.
fn known(mut command: Value, global: bool) -> Value {
    command["id"] = json!(if global { "601" } else { "600" });
    command["application_id"] = json!(DiscordDouble::APPLICATION.to_string());
    command["version"] = json!("1");
    command["type"] = json!(1);
    if let Some(contexts) = command["contexts"].as_array_mut() {
        contexts.reverse();
    }
    if !global {
        command["contexts"] = Value::Null;
        command["integration_types"] = json!([0, 1]);
        command["guild_id"] = json!(DiscordDouble::GUILD.to_string());
    }
    command
}

/// Whoever does not show the bot's token is refused.
fn refused(state: &mut State, headers: &HeaderMap) -> Option<Response> {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given == format!("Bot {}", DiscordDouble::BOT_TOKEN) {
        return None;
    }
    state.violations.push("a call without the bot's token".to_owned());
    Some(refusal(StatusCode::UNAUTHORIZED, 0, "401: Unauthorized"))
}

fn judge_it(state: &mut State, call: &'static str, body: &Value) {
    state.sent.push((call, body.clone()));
    state.violations.extend(judge::complaints_about(body));
    // Otherwise a name or a reason could call everybody.
    if body["allowed_mentions"]["parse"] != json!([]) {
        state.violations.push(format!("mentions are allowed: {}", body["allowed_mentions"]));
    }
}

/// The edits of a message that is older than an hour are limited by themselves; the header says less than the body.
fn too_old(left: Duration) -> Response {
    let message = "Maximum number of edits to messages older than 1 hour reached. Try again later.";
    let body = json!({ "message": message, "code": 30046, "retry_after": left.as_secs_f64() + 0.1, "global": false });
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1"), ("x-ratelimit-scope", "shared")], Json(body)).into_response()
}

fn refusal(status: StatusCode, code: u32, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message }))).into_response()
}

fn message(channel: u64, id: u64, body: &Value) -> Value {
    json!({
        "id": id.to_string(), "channel_id": channel.to_string(), "author": super::sender::user(DiscordDouble::APPLICATION, true),
        "content": body["content"].as_str().unwrap_or_default(), "timestamp": "2026-01-01T12:00:00Z", "edited_timestamp": null,
        "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "pinned": false, "type": 0,
    })
}
