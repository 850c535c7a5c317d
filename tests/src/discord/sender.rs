//! Discord towards the server: signed interactions.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{DiscordDouble, DiscordMessage, Shared, judge, rest};
use crate::clock::unix_seconds;

/// How Discord's next request will look. The defaults are right; a test makes one thing wrong.
#[derive(Debug, Clone)]
pub struct FromDiscord<'a> {
    shared: &'a Shared,
    guild: Option<u64>,
    channel: u64,
    timestamp: Option<i64>,
    signature: Option<String>,
    bot: bool,
    over_gateway: bool,
}

/// The server's answer to an interaction.
#[derive(Debug, Clone)]
pub struct DiscordAnswer {
    /// The interaction's token, by which the answer may follow.
    pub token: String,
    /// HTTP status.
    pub status: u16,
    /// The response, or null where there is no JSON.
    pub body: Value,
}

impl DiscordAnswer {
    /// What the person reads.
    pub fn text(&self) -> String {
        judge::text_of(&self.body["data"])
    }

    /// Whether the person can read this in it.
    pub fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// The one-time link in it.
    pub fn link(&self) -> String {
        let buttons = judge::buttons_of(&self.body["data"]);
        let link = buttons.iter().find_map(|button| button["url"].as_str());
        link.unwrap_or_else(|| panic!("no link in {:#}", self.body)).to_owned()
    }

    /// The answer as the message that Discord shows, so that its buttons can be pressed.
    pub fn message(&self) -> DiscordMessage {
        DiscordMessage { channel: DiscordDouble::CHANNEL, id: 1, content: self.body["data"].clone(), edits: 0 }
    }
}

impl<'a> FromDiscord<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        let (guild, channel) = (Some(DiscordDouble::GUILD), DiscordDouble::CHANNEL);
        Self { shared, guild, channel, timestamp: None, signature: None, bot: false, over_gateway: false }
    }

    /// From another guild.
    pub fn in_guild(self, guild: u64) -> Self {
        Self { guild: Some(guild), ..self }
    }

    /// In another channel, or in a thread.
    pub fn in_channel(self, channel: u64) -> Self {
        Self { channel, ..self }
    }

    /// From direct messages.
    pub fn directly(self) -> Self {
        Self { guild: None, ..self }
    }

    /// Over the Gateway, and not by HTTP.
    pub fn over_gateway(self) -> Self {
        Self { over_gateway: true, ..self }
    }

    /// By a program.
    pub fn by_bot(self) -> Self {
        Self { bot: true, ..self }
    }

    /// Signed at this time, in seconds since 1970.
    pub fn at(self, timestamp: i64) -> Self {
        Self { timestamp: Some(timestamp), ..self }
    }

    /// With this signature, whatever the body.
    pub fn signed(self, signature: &str) -> Self {
        Self { signature: Some(signature.to_owned()), ..self }
    }

    /// Discord wants to know whether the app is there.
    pub async fn ping(&self) -> DiscordAnswer {
        let id = self.shared.state().id().to_string();
        let ping =
            json!({ "id": id, "application_id": DiscordDouble::APPLICATION.to_string(), "type": 1, "token": "t", "version": 1 });
        self.raw(&ping.to_string()).await
    }

    /// Somebody gives `/entryguard SUBCOMMAND OPTIONS`.
    pub async fn command(&self, user: u64, subcommand: &str, options: &[(&str, &str)]) -> DiscordAnswer {
        self.interact(user, 2, data(subcommand, texts(options)), None).await
    }

    /// Somebody gives a command, and sets one of its switches, too.
    pub async fn command_with_flag(&self, user: u64, subcommand: &str, options: &[(&str, &str)], flag: &str) -> DiscordAnswer {
        let mut all = texts(options);
        all.push(json!({ "type": 5, "name": flag, "value": true }));
        self.interact(user, 2, data(subcommand, all), None).await
    }

    /// Somebody types into an option.
    pub async fn typing(&self, user: u64, subcommand: &str, option: &str, typed: &str) -> DiscordAnswer {
        let data = data(subcommand, vec![json!({ "type": 3, "name": option, "value": typed, "focused": true })]);
        self.interact(user, 4, data, None).await
    }

    /// Somebody presses the button with this label.
    pub async fn press(&self, user: u64, message: &DiscordMessage, label: &str) -> DiscordAnswer {
        let button = judge::buttons_of(&message.content).into_iter().find(|button| button["label"] == label);
        let button = button.unwrap_or_else(|| panic!("no {label:?} in:\n{}", message.text()));
        let data = json!({ "component_type": 2, "custom_id": button["custom_id"] });
        self.interact(user, 3, data, Some(message)).await
    }

    /// Somebody chooses the option with this label.
    pub async fn choose(&self, user: u64, message: &DiscordMessage, label: &str) -> DiscordAnswer {
        let selects = judge::buttons_of(&message.content);
        let option = |select: &Value| select["options"].as_array()?.iter().find(|option| option["label"] == label).cloned();
        let found = selects.iter().find_map(|select| Some((select["custom_id"].clone(), option(select)?["value"].clone())));
        let (custom_id, value) = found.unwrap_or_else(|| panic!("no {label:?} in:\n{}", message.text()));
        self.interact(user, 3, json!({ "component_type": 3, "custom_id": custom_id, "values": [value] }), Some(message)).await
    }

    /// Somebody sends a form.
    pub async fn submit(&self, user: u64, custom_id: &Value, fields: &[(&str, &str)]) -> DiscordAnswer {
        let field =
            |(name, value): &(&str, &str)| json!({ "type": 1, "components": [{ "type": 4, "custom_id": name, "value": value }] });
        let data = json!({ "custom_id": custom_id, "components": fields.iter().map(field).collect::<Vec<_>>() });
        self.interact(user, 5, data, None).await
    }

    async fn interact(&self, user_id: u64, kind: u8, data: Value, message: Option<&DiscordMessage>) -> DiscordAnswer {
        let id = self.shared.state().id();
        let mut body = json!({
            "id": id.to_string(), "application_id": DiscordDouble::APPLICATION.to_string(), "type": kind, "data": data,
            "token": format!("token-{id}"), "version": 1, "channel_id": self.channel.to_string(), "app_permissions": "0",
            "locale": "en-US", "entitlements": [], "authorizing_integration_owners": {}, "context": 0, "attachment_size_limit": 1,
        });
        match self.guild {
            Some(guild) => {
                body["guild_id"] = json!(guild.to_string());
                let roles = self.shared.state().roles.get(&user_id).cloned().unwrap_or_default();
                body["member"] = member(user_id, self.bot, &roles);
                body["member"]["permissions"] = json!("2147483648");
            }
            None => body["user"] = user(user_id, self.bot),
        }
        if let Some(message) = message {
            body["channel_id"] = json!(message.channel.to_string());
            body["message"] = json!({
                "id": message.id.to_string(), "channel_id": message.channel.to_string(), "author": user(DiscordDouble::APPLICATION, true),
                "content": "", "timestamp": "2026-01-01T12:00:00Z", "edited_timestamp": null, "tts": false, "mention_everyone": false,
                "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "type": 0,
            });
        }
        match self.over_gateway {
            true => self.dispatch(body, format!("token-{id}")).await,
            false => DiscordAnswer { token: format!("token-{id}"), ..self.raw(&body.to_string()).await },
        }
    }

    async fn dispatch(&self, body: Value, token: String) -> DiscordAnswer {
        let answered = self.shared.state().gateway.dispatch(body, token.clone());
        let answer = tokio::time::timeout(Duration::from_secs(30), answered).await;
        let body = answer.expect("an answer within half a minute").expect("one answer");
        self.judge(&body);
        DiscordAnswer { token, status: 200, body }
    }

    /// Sends what was sent last over the Gateway once more.
    pub fn send_last_again(&self) {
        self.shared.state().gateway.dispatch_last_again();
    }

    fn judge(&self, body: &Value) {
        if body["type"] == 4 {
            let mut complaints = judge::complaints_about(&body["data"]);
            if body["data"]["flags"] != 64 {
                complaints.push("an answer that everybody sees".to_owned());
            }
            self.shared.state().violations.extend(complaints);
        }
    }

    /// Any bytes at all, signed.
    pub async fn raw(&self, body: &str) -> DiscordAnswer {
        let timestamp = self.timestamp.unwrap_or_else(unix_seconds).to_string();
        let signature = self.signature.clone().unwrap_or_else(|| DiscordDouble::signature_of(&timestamp, body));
        let url = format!("{}/discord/interactions", self.shared.state().server);
        let request = crate::loopback::client().post(url).header("Content-Type", "application/json").body(body.to_owned());
        let request = request.header("X-Signature-Timestamp", &timestamp).header("X-Signature-Ed25519", signature);
        let answer = request.send().await.expect("the server answers Discord");
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
        if body["type"].is_number() {
            self.shared.state().sent.push((rest::ANSWER, body.clone()));
        }
        self.judge(&body);
        DiscordAnswer { token: String::new(), status, body }
    }
}

fn texts(options: &[(&str, &str)]) -> Vec<Value> {
    options.iter().map(|(name, value)| json!({ "type": 3, "name": name, "value": value })).collect()
}

fn data(subcommand: &str, options: Vec<Value>) -> Value {
    json!({
        "id": "600", "name": "entryguard", "type": 1, "options": [{ "type": 1, "name": subcommand, "options": options }],
    })
}

pub fn user(id: u64, bot: bool) -> Value {
    json!({ "id": id.to_string(), "username": format!("user-{id}"), "discriminator": "0", "avatar": null, "bot": bot })
}

pub fn member(id: u64, bot: bool, roles: &BTreeSet<u64>) -> Value {
    let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
    json!({
        "user": user(id, bot), "roles": roles, "joined_at": "2025-01-01T00:00:00Z", "deaf": false, "mute": false, "flags": 0,
        "nick": null, "avatar": null, "premium_since": null, "pending": false, "communication_disabled_until": null,
    })
}
