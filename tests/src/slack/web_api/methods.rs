//! What each method does to the workspace.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Refusal;
use super::request::Arguments;
use crate::slack::block_kit::{what_slack_refuses, what_slack_refuses_in_a_view};
use crate::slack::message::Edit;
use crate::slack::workspace::as_sent;
use crate::slack::{SlackDouble, State};

type Outcome = Result<Value, Refusal>;

pub fn call(state: &mut State, method: &str, arguments: &Arguments) -> Outcome {
    match method {
        "apps.connections.open" => Ok(json!({ "url": state.sockets.url })),
        "auth.test" => Ok(auth_test()),
        "chat.postMessage" => post_message(state, arguments),
        "chat.postEphemeral" => post_ephemeral(state, arguments),
        "chat.update" => update(state, arguments),
        "chat.delete" => delete(state, arguments),
        "conversations.info" => conversation(state, arguments),
        "conversations.open" => open_conversation(state, arguments),
        "users.info" => {
            let id = arguments.need("user")?;
            state.weather.hidden.get(id).map_or_else(|| Ok(user(state, id)), |error| Err(Refusal::Circumstance(error)))
        }
        "views.open" => open_view(state, arguments),
        "views.update" => update_view(state, arguments),
        "views.publish" => publish_view(state, arguments),
        other => Err(Refusal::mistake("unknown_method", other)),
    }
}

fn auth_test() -> Value {
    json!({
        "url": "https://acme.slack.com/", "team": "Acme", "user": "entryguard",
        "team_id": SlackDouble::TEAM, "user_id": "UBOT", "bot_id": "BBOT", "is_enterprise_install": false,
    })
}

pub fn user(state: &State, id: &str) -> Value {
    let (deleted, bot) = (state.weather.deactivated.contains(id), state.weather.bots.contains(id));
    let name = id.to_lowercase();
    let profile = json!({ "real_name": name, "display_name": name, "email": format!("{name}@example.com") });
    let mut said = json!({ "user": {
        "id": id, "team_id": SlackDouble::TEAM, "name": name, "deleted": deleted, "real_name": name, "tz": "Europe/Berlin",
        "tz_label": "Central European Time", "tz_offset": 3600, "profile": profile, "is_bot": bot, "is_admin": false,
    } });
    match (state.weather.teams.get(id), said["user"].as_object_mut()) {
        (Some(Some(team)), Some(user)) => drop(user.insert("team_id".to_owned(), json!(team))),
        (Some(None), Some(user)) => drop(user.remove("team_id")),
        _ => {}
    }
    if let Some(teams) = state.weather.grid.get(id) {
        let names =
            json!({ "id": id, "enterprise_id": "E0GRID", "enterprise_name": "Acme", "is_admin": false, "is_owner": false });
        said["user"]["enterprise_user"] = names;
        said["user"]["enterprise_user"]["teams"] = json!(teams);
    }
    said
}

fn post_message(state: &mut State, arguments: &Arguments) -> Outcome {
    let channel = channel(state, arguments)?;
    let content = content(arguments)?;
    let thread = arguments.maybe("thread_ts");
    if let Some(ts) = &thread {
        if let Some(error) = state.weather.threadless.get(&channel) {
            return Err(Refusal::Circumstance(error));
        }
        if state.workspace.standing(&channel, ts).is_none() {
            return Err(missing(state, "thread_not_found", &channel, ts));
        }
    }
    let ts = state.workspace.post(&channel, content, thread, None);
    Ok(posted(state, &channel, &ts))
}

fn post_ephemeral(state: &mut State, arguments: &Arguments) -> Outcome {
    let channel = channel(state, arguments)?;
    let (user, content) = (arguments.need("user")?, content(arguments)?);
    let ts = state.workspace.post(&channel, content, arguments.maybe("thread_ts"), Some(user.to_owned()));
    Ok(json!({ "message_ts": ts }))
}

fn update(state: &mut State, arguments: &Arguments) -> Outcome {
    let channel = channel(state, arguments)?;
    let (ts, content) = (arguments.need("ts")?, content(arguments)?);
    let Some(message) = state.workspace.standing(&channel, ts) else {
        return Err(missing(state, "message_not_found", &channel, ts));
    };
    message.edits.push(Edit { at: Instant::now(), content: content.clone() });
    message.content = content;
    let mut answer = posted(state, &channel, ts);
    answer["text"] = arguments.values["text"].clone();
    Ok(answer)
}

fn delete(state: &mut State, arguments: &Arguments) -> Outcome {
    let channel = channel(state, arguments)?;
    let ts = arguments.need("ts")?;
    state.workspace.standing(&channel, ts).ok_or_else(|| not_found(&channel, ts))?.deleted = true;
    Ok(json!({ "channel": channel, "ts": ts }))
}

fn open_conversation(state: &mut State, arguments: &Arguments) -> Outcome {
    let user = arguments.need("users")?;
    let channel = state.workspace.resolve(user).ok_or_else(|| Refusal::mistake("user_not_found", user))?;
    Ok(json!({ "channel": { "id": channel, "created": 1_700_000_000, "is_im": true, "user": user } }))
}

fn conversation(state: &mut State, arguments: &Arguments) -> Outcome {
    let named = arguments.need("channel")?;
    let is_member = !state.weather.closed.contains_key(named);
    match state.workspace.resolve(named) {
        Some(id) => Ok(
            json!({ "channel": { "id": id, "name": "deploys", "is_channel": true, "is_member": is_member, "created": 1_700_000_000 } }),
        ),
        None => Err(Refusal::Circumstance("channel_not_found")),
    }
}

fn open_view(state: &mut State, arguments: &Arguments) -> Outcome {
    let trigger = arguments.need("trigger_id")?;
    let known = state.workspace.triggers.remove(trigger);
    let (user, given) = known.ok_or_else(|| Refusal::mistake("invalid_trigger_id", "unknown, or used before"))?;
    // Three seconds in Slack; here the server's own clock is what counts, so that a busy machine fails no test.
    if given.elapsed() > Duration::from_secs(10) {
        return Err(Refusal::mistake("expired_trigger_id", format!("{:?} old", given.elapsed())));
    }
    show(state, &user, &arguments.values["view"])
}

fn publish_view(state: &mut State, arguments: &Arguments) -> Outcome {
    let user = arguments.need("user_id")?.to_owned();
    show(state, &user, &arguments.values["view"])
}

/// A modal keeps its id, whatever it shows.
fn update_view(state: &mut State, arguments: &Arguments) -> Outcome {
    let id = arguments.need("view_id")?.to_owned();
    let known = state.workspace.views.iter().rev().find(|(_, view)| view["id"] == id && view["type"] == "modal");
    let Some((user, _)) = known.cloned() else { return Err(Refusal::mistake("not_found", id)) };
    let mut shown = show(state, &user, &arguments.values["view"])?;
    shown["view"]["id"] = json!(id);
    if let Some((_, view)) = state.workspace.views.last_mut() {
        view["id"] = json!(id);
    }
    Ok(shown)
}

fn show(state: &mut State, user: &str, view: &Value) -> Outcome {
    accepted(what_slack_refuses_in_a_view(view))?;
    let mut view = view.clone();
    view["id"] = json!(format!("V{}", state.workspace.token()));
    view["team_id"] = json!(SlackDouble::TEAM);
    view["hash"] = json!("156772938.1827394");
    view["state"] = json!({ "values": {} });
    state.workspace.views.push((user.to_owned(), view.clone()));
    Ok(json!({ "view": view }))
}

fn channel(state: &mut State, arguments: &Arguments) -> Result<String, Refusal> {
    let named = arguments.need("channel")?;
    if let Some(error) = state.weather.closed.get(named) {
        return Err(Refusal::Circumstance(error));
    }
    state.workspace.resolve(named).ok_or_else(|| Refusal::mistake("channel_not_found", named))
}

fn content(arguments: &Arguments) -> Outcome {
    accepted(what_slack_refuses(&arguments.values))?;
    let mut content = arguments.values.clone();
    if let Some(object) = content.as_object_mut() {
        object.remove("token");
    }
    Ok(content)
}

fn accepted(complaints: Vec<String>) -> Result<(), Refusal> {
    if complaints.is_empty() {
        return Ok(());
    }
    let too_long = complaints.iter().any(|why| why.contains("msg_blocks_too_long"));
    let error = if too_long { "msg_blocks_too_long" } else { "invalid_blocks" };
    Err(Refusal::mistake(error, complaints.join("; ")))
}

/// What somebody deleted is no mistake of the app's.
fn missing(state: &State, error: &'static str, channel: &str, ts: &str) -> Refusal {
    let was_there = state.workspace.messages.iter().any(|message| message.channel == channel && message.ts == ts);
    if was_there { Refusal::Circumstance(error) } else { Refusal::mistake(error, format!("{ts} in {channel}")) }
}

fn not_found(channel: &str, ts: &str) -> Refusal {
    Refusal::mistake("message_not_found", format!("{ts} in {channel}"))
}

fn posted(state: &mut State, channel: &str, ts: &str) -> Value {
    let message = state.workspace.standing(channel, ts).map(|message| as_sent(message));
    json!({ "channel": channel, "ts": ts, "message": message })
}
