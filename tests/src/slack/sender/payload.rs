//! The bodies that Slack sends, field by field.

use serde_json::{Value, json};

use crate::slack::SlackDouble;
use crate::slack::message::Message;
use crate::slack::workspace::as_sent;

/// Who sends from where, and the names under which the server may come back.
#[derive(Debug)]
pub struct Sent {
    pub user: String,
    pub team: String,
    pub channel: String,
    /// What an answer will be called if it becomes a message.
    pub ts: String,
    pub response_url: String,
    pub trigger: String,
}

/// What somebody typed, as Slack writes it.
fn escaped(typed: &str) -> String {
    typed.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub fn command(sent: &Sent, text: &str) -> Vec<(String, String)> {
    let (name, text) = (sent.user.to_lowercase(), escaped(text));
    let fields = [
        ("token", "gIkuvaNzQIHg97ATvDxqgjtO"),
        ("team_id", &sent.team),
        ("team_domain", "acme"),
        ("channel_id", &sent.channel),
        ("channel_name", "deploys"),
        ("user_id", &sent.user),
        ("user_name", &name),
        ("command", "/entryguard"),
        ("text", &text),
        ("api_app_id", "AAPP"),
        ("is_enterprise_install", "false"),
        ("response_url", &sent.response_url),
        ("trigger_id", &sent.trigger),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

pub fn press(sent: &Sent, message: &Message, element: &Value, block_id: &str) -> Value {
    let mut payload = envelope(sent, "block_actions");
    let ephemeral = message.ephemeral_to.is_some();
    payload["container"] = json!({
        "type": "message", "message_ts": message.ts, "channel_id": message.channel, "is_ephemeral": ephemeral,
    });
    if let Some(thread) = &message.thread_ts {
        payload["container"]["thread_ts"] = json!(thread);
    }
    payload["channel"] = json!({ "id": message.channel, "name": "deploys" });
    payload["response_url"] = json!(sent.response_url);
    payload["state"] = json!({ "values": {} });
    // Slack does not repeat a message that it showed in passing.
    if !ephemeral {
        payload["message"] = as_sent(message);
    }
    payload["actions"] = json!([action(element, block_id)]);
    payload
}

fn action(element: &Value, block_id: &str) -> Value {
    let mut action = json!({
        "action_id": element["action_id"], "block_id": block_id, "type": element["type"], "action_ts": "1700000000.123456",
    });
    if element["type"] == "button" {
        action["text"] = element["text"].clone();
        if !element["value"].is_null() {
            action["value"] = element["value"].clone();
        }
    } else {
        action["selected_option"] = element["options"][0].clone();
    }
    action
}

pub fn press_in_view(sent: &Sent, view: &Value, element: &Value, block_id: &str) -> Value {
    let mut payload = envelope(sent, "block_actions");
    payload["container"] = json!({ "type": "view", "view_id": view["id"] });
    payload["view"] = view.clone();
    payload["actions"] = json!([action(element, block_id)]);
    payload
}

pub fn shortcut(sent: &Sent, callback_id: &str) -> Value {
    let mut payload = envelope(sent, "shortcut");
    payload["callback_id"] = json!(callback_id);
    payload["action_ts"] = json!("1700000000.123456");
    payload
}

pub fn event(team: &str, id: &str, event: &Value) -> Value {
    json!({
        "type": "event_callback", "token": "gIkuvaNzQIHg97ATvDxqgjtO", "team_id": team, "api_app_id": "AAPP", "event": event,
        "event_id": id, "event_time": 1_700_000_000,
        "authorizations": [{ "team_id": team, "user_id": "UBOT", "is_bot": true, "is_enterprise_install": false }],
    })
}

pub fn submission(sent: &Sent, view: &Value, mut values: Value) -> Value {
    let blocks = values.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    for element in blocks.filter_map(Value::as_object_mut).flat_map(serde_json::Map::values_mut) {
        if let Some(typed) = element["value"].as_str() {
            element["value"] = json!(escaped(typed));
        }
    }
    let mut payload = envelope(sent, "view_submission");
    payload["view"] = view.clone();
    payload["view"]["state"] = json!({ "values": values });
    payload["response_urls"] = json!([]);
    payload
}

/// A stranger from another workspace (Slack Connect) shows in the user's team alone: the app is still installed in ours.
fn envelope(sent: &Sent, kind: &str) -> Value {
    let name = sent.user.to_lowercase();
    json!({
        "type": kind, "token": "gIkuvaNzQIHg97ATvDxqgjtO", "api_app_id": "AAPP", "is_enterprise_install": false,
        "enterprise": null, "trigger_id": sent.trigger,
        "team": { "id": SlackDouble::TEAM, "domain": "acme" },
        "user": { "id": sent.user, "username": name, "name": name, "team_id": sent.team },
    })
}
