//! A Web API call's arguments, whichever way they came.

use axum::body::Bytes;
use axum::extract::{Query, Request};
use axum::http::header;
use serde_json::{Map, Value};

use super::Refusal;
use crate::form;

/// The methods that read no JSON body: Slack ignores one.
const FORM_ONLY: [&str; 1] = ["users.info"];

/// The arguments and the token.
#[derive(Debug)]
pub struct Arguments {
    pub token: Option<String>,
    pub values: Value,
}

impl Arguments {
    pub async fn read(method: &str, request: Request) -> Self {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut values = Map::new();
        if let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&head.uri) {
            values.extend(pairs.into_iter().map(from_form));
        }
        values.extend(from_body(method, content_type, body).await);
        let bearer = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        let token = bearer.or_else(|| values.get("token").and_then(Value::as_str).map(str::to_owned));
        Self { token, values: Value::Object(values) }
    }

    /// A required argument.
    pub fn need(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.values[name].as_str().filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::mistake("invalid_arguments", format!("[missing required field: {name}]")))
    }

    /// An optional argument.
    pub fn maybe(&self, name: &str) -> Option<String> {
        self.values[name].as_str().map(str::to_owned)
    }
}

/// Whether the method knows each argument: Slack would pass over what it does not, and nobody would notice the slip.
pub fn known(method: &str, arguments: &Arguments) -> Result<(), Refusal> {
    let message = ["channel", "text", "blocks", "attachments", "metadata", "parse", "link_names"];
    let own: &[&str] = match method {
        "chat.postMessage" => &[
            "thread_ts",
            "unfurl_links",
            "unfurl_media",
            "mrkdwn",
            "reply_broadcast",
            "username",
            "icon_emoji",
            "icon_url",
            "as_user",
        ],
        "chat.postEphemeral" => &["user", "thread_ts", "username", "icon_emoji", "icon_url", "as_user"],
        "chat.update" => &["ts", "as_user", "reply_broadcast", "file_ids"],
        "chat.delete" => &["ts", "as_user"],
        "conversations.info" => &["channel", "include_locale", "include_num_members"],
        "conversations.open" => &["channel", "prevent_creation", "return_im", "users"],
        "users.info" => &["user", "include_locale"],
        "views.open" => &["trigger_id", "interactivity_pointer", "view"],
        "views.update" => &["view_id", "external_id", "view", "hash"],
        "views.publish" => &["user_id", "view", "hash"],
        _ => &[],
    };
    let is_known = |name: &str| name == "token" || own.contains(&name) || method.starts_with("chat.") && message.contains(&name);
    let unknown = arguments.values.as_object().and_then(|all| all.keys().find(|name| !is_known(name)));
    unknown.map_or(Ok(()), |name| Err(Refusal::mistake("invalid_arguments", format!("{method} has no argument {name}"))))
}

async fn from_body(method: &str, content_type: &str, body: Bytes) -> Map<String, Value> {
    if content_type.starts_with("application/json") {
        let object = serde_json::from_slice(&body).unwrap_or_default();
        return if FORM_ONLY.contains(&method) { Map::new() } else { object };
    }
    form::pairs(body).await.into_iter().map(from_form).collect()
}

/// In a form, structures are JSON inside a string.
fn from_form((name, value): (String, String)) -> (String, Value) {
    let structured = ["blocks", "attachments", "view", "metadata"].contains(&name.as_str());
    let parsed = structured.then(|| serde_json::from_str(&value).ok()).flatten();
    (name, parsed.unwrap_or(Value::String(value)))
}
