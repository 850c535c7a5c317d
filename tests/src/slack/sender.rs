//! Slack towards the server: signed commands, presses and views.

mod payload;
pub(super) mod signature;

use std::time::Instant;

use serde_json::Value;

use super::answer::SlackAnswer;
use super::block_kit::what_slack_refuses;
use super::message::Message;
use super::{Shared, SlackDouble};
use crate::clock::unix_seconds;
use payload::Sent;

/// A request that was sent, as a verifier needs it.
#[derive(Debug, Clone)]
pub struct SignedRequest {
    pub secret: String,
    pub timestamp: String,
    pub body: String,
    pub signature: String,
}

/// How Slack's next request will look. The defaults are right; a test makes one thing wrong.
#[derive(Debug, Clone)]
pub struct ToServer<'a> {
    shared: &'a Shared,
    server: String,
    slack: String,
    team: String,
    channel: String,
    secret: String,
    timestamp: Option<i64>,
    signature: Option<String>,
    over_socket: bool,
    retry: u32,
}

impl<'a> ToServer<'a> {
    pub(super) fn new(shared: &'a Shared, slack: &str) -> Self {
        let [team, channel, secret] = [SlackDouble::TEAM, SlackDouble::CHANNEL, SlackDouble::SIGNING_SECRET].map(str::to_owned);
        let server = shared.state().server.clone();
        Self {
            shared,
            server,
            slack: slack.to_owned(),
            team,
            channel,
            secret,
            timestamp: None,
            signature: None,
            over_socket: false,
            retry: 0,
        }
    }

    /// To another server than the one that the app is installed with: one replica of several, as a load balancer would choose it.
    pub fn at_server(self, address: &str) -> Self {
        Self { server: address.to_owned(), ..self }
    }

    /// From another workspace, as Slack Connect brings them.
    pub fn from_team(self, team: &str) -> Self {
        Self { team: team.to_owned(), ..self }
    }

    /// Over the app's own connection rather than by HTTP.
    pub fn over_socket(self) -> Self {
        Self { over_socket: true, ..self }
    }

    /// For the so-many-th time after the first, as Slack does where it saw no acknowledgement of an event.
    pub fn again(self, retry: u32) -> Self {
        Self { retry, ..self }
    }

    /// In another channel, which comes into being.
    pub fn in_channel(self, channel: &str) -> Self {
        Self { channel: channel.to_owned(), ..self }
    }

    /// Signed with another secret.
    pub fn with_secret(self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self }
    }

    /// Signed at this time, in seconds since 1970.
    pub fn at(self, timestamp: i64) -> Self {
        Self { timestamp: Some(timestamp), ..self }
    }

    /// With this signature, whatever the body.
    pub fn signed(self, signature: &str) -> Self {
        Self { signature: Some(signature.to_owned()), ..self }
    }

    /// Somebody types `/entryguard TEXT`.
    pub async fn command(&self, user: &str, text: &str) -> SlackAnswer {
        self.try_command(user, text).await.expect("the server answers Slack")
    }

    /// The same where the server may be dead, or die before it has answered.
    pub async fn try_command(&self, user: &str, text: &str) -> reqwest::Result<SlackAnswer> {
        let sent = self.sent(user, None);
        let form = payload::command(&sent, text);
        self.post_form("/slack/commands", form, sent).await
    }

    /// Somebody presses a button of a message, or picks the first option of a menu.
    pub async fn press(&self, user: &str, message: &Message, action_id: &str) -> SlackAnswer {
        let sent = self.sent(user, Some(message));
        let found = super::button(&message.content, action_id);
        let (element, block_id) = found.unwrap_or_else(|| panic!("no {action_id:?} in:\n{:#}", message.content));
        let payload = payload::press(&sent, message, &element, &block_id);
        self.interact(payload, sent).await
    }

    /// Somebody presses a button of a view: their home, or a modal.
    pub async fn press_in_view(&self, user: &str, view: &Value, action_id: &str) -> SlackAnswer {
        let sent = self.sent(user, None);
        let found = super::button(view, action_id);
        let (element, block_id) = found.unwrap_or_else(|| panic!("no {action_id:?} in:\n{view:#}"));
        let payload = payload::press_in_view(&sent, view, &element, &block_id);
        self.interact(payload, sent).await
    }

    /// The same, where several of its buttons do this: the one with this value.
    pub async fn press_in_view_with(&self, user: &str, view: &Value, action_id: &str, value: &str) -> SlackAnswer {
        let sent = self.sent(user, None);
        let found = super::link::buttons(view, action_id).into_iter().find(|(element, _)| element["value"] == value);
        let (element, block_id) = found.unwrap_or_else(|| panic!("no {action_id:?} of {value} in:\n{view:#}"));
        let payload = payload::press_in_view(&sent, view, &element, &block_id);
        self.interact(payload, sent).await
    }

    /// Somebody takes a global shortcut.
    pub async fn shortcut(&self, user: &str, callback_id: &str) -> SlackAnswer {
        let sent = self.sent(user, None);
        let payload = payload::shortcut(&sent, callback_id);
        self.interact(payload, sent).await
    }

    /// Something happened, under this name: Slack says so again under the same one where it is not acknowledged.
    pub async fn event(&self, id: &str, event: Value) -> (u16, String) {
        self.try_event(id, event).await.expect("the server answers Slack")
    }

    /// The same where the server may die of it.
    pub async fn try_event(&self, id: &str, event: Value) -> reqwest::Result<(u16, String)> {
        let body = payload::event(&self.team, id, &event).to_string();
        self.try_raw("/slack/events", "application/json", &body).await
    }

    /// Somebody opens the app's home.
    pub async fn open_home(&self, user: &str) {
        let event = serde_json::json!({ "type": "app_home_opened", "user": user, "channel": "D0HOME", "tab": "home" });
        let id = self.shared.state().workspace.token();
        assert_eq!(self.event(&format!("Ev{id}"), event).await.0, 200);
    }

    /// Slack tells what became of a user.
    pub async fn user_change(&self, user: &str) {
        let info = super::web_api::user(&self.shared.state(), user)["user"].clone();
        let id = self.shared.state().workspace.token();
        assert_eq!(self.event(&format!("Ev{id}"), serde_json::json!({ "type": "user_change", "user": info })).await.0, 200);
    }

    /// Somebody submits a view, with `values` as Slack's `state.values`.
    pub async fn submit(&self, user: &str, view: &Value, values: Value) -> SlackAnswer {
        let sent = self.sent(user, None);
        let payload = payload::submission(&sent, view, values);
        self.interact(payload, sent).await
    }

    /// Any interaction payload, already built.
    pub async fn interaction(&self, user: &str, payload: Value) -> SlackAnswer {
        let sent = self.sent(user, None);
        self.interact(payload, sent).await
    }

    /// Any bytes at all, signed: for replays and bodies that nobody sends. Gives the status and the body.
    pub async fn raw(&self, path: &str, content_type: &str, body: &str) -> (u16, String) {
        self.try_raw(path, content_type, body).await.expect("the server answers Slack")
    }

    /// What it signs a body with.
    pub fn signature_of(&self, body: &str) -> String {
        signature::of(&self.secret, &self.timestamp.unwrap_or_else(unix_seconds).to_string(), body)
    }

    async fn try_raw(&self, path: &str, content_type: &str, body: &str) -> reqwest::Result<(u16, String)> {
        let url = format!("{}{path}", self.server);
        let timestamp = self.timestamp.unwrap_or_else(unix_seconds).to_string();
        let signature = self.signature.clone().unwrap_or_else(|| signature::of(&self.secret, &timestamp, body));
        // A test that signs wrongly on purpose is no judge of how the double signs.
        if self.signature.is_none() {
            let (secret, timestamp, body, signature) =
                (self.secret.clone(), timestamp.clone(), body.to_owned(), signature.clone());
            self.shared.state().signed.push(SignedRequest { secret, timestamp, body, signature });
        }
        let request = self.shared.http.post(url).header("Content-Type", content_type).body(body.to_owned());
        let request = request.header("X-Slack-Request-Timestamp", timestamp).header("X-Slack-Signature", signature);
        let request = match self.retry {
            0 => request,
            retry => request.header("X-Slack-Retry-Num", retry).header("X-Slack-Retry-Reason", "http_timeout"),
        };
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn interact(&self, payload: Value, sent: Sent) -> SlackAnswer {
        let form = vec![("payload".to_owned(), payload.to_string())];
        self.post_form("/slack/interactions", form, sent).await.expect("the server answers Slack")
    }

    async fn post_form(&self, path: &str, form: Vec<(String, String)>, sent: Sent) -> reqwest::Result<SlackAnswer> {
        if self.over_socket {
            return Ok(self.send_over_socket(path, form, sent).await);
        }
        // reqwest encodes the form; the signature is over those very bytes.
        let encoded = self.shared.http.post("http://form/").form(&form).build().unwrap();
        let raw = String::from_utf8(encoded.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
        let started = Instant::now();
        let (status, text) = self.try_raw(path, "application/x-www-form-urlencoded", &raw).await?;
        let took = started.elapsed();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        let Sent { user, channel, ts, response_url, .. } = sent;
        let mut answer = SlackAnswer { status, body, took, response_url, channel, user, ts };
        self.judge(path, &mut answer);
        Ok(answer)
    }

    async fn send_over_socket(&self, path: &str, form: Vec<(String, String)>, sent: Sent) -> SlackAnswer {
        let fields: serde_json::Map<_, _> = form.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        let (kind, payload) = match fields.get("payload").and_then(Value::as_str) {
            Some(payload) => ("interactive", serde_json::from_str(payload).unwrap()),
            None => ("slash_commands", Value::Object(fields)),
        };
        let id = self.shared.state().workspace.token();
        let started = Instant::now();
        let body = self.shared.send_envelope(&id, kind, payload).await;
        let (took, status) = (started.elapsed(), if body.is_some() { 200 } else { 504 });
        let Sent { user, channel, ts, response_url, .. } = sent;
        let body = body.unwrap_or_default();
        let mut answer = SlackAnswer { status, body, took, response_url, channel, user, ts };
        self.judge(path, &mut answer);
        answer
    }

    /// The envelope of this name, once more: as Slack does where it saw no acknowledgement.
    pub async fn envelope(&self, id: &str, kind: &str, payload: Value) -> Option<Value> {
        self.shared.send_envelope(id, kind, payload).await
    }

    /// What Slack would make of the answer.
    fn judge(&self, path: &str, answer: &mut SlackAnswer) {
        let mut state = self.shared.state();
        // Slack waits for three seconds. How much of that a busy machine takes is for the tests of time to say.
        if answer.took.as_secs() >= 10 {
            state.violations.push(format!("{path}: acknowledged after {:?}", answer.took));
        }
        if answer.body["view"].is_object() {
            state.workspace.answers.push(answer.body["view"].clone());
        }
        let is_message = answer.status == 200 && answer.body.is_object() && answer.body["response_action"].is_null();
        if !is_message || answer.body == serde_json::json!({}) {
            return;
        }
        let refused = what_slack_refuses(&answer.body);
        state.violations.extend(refused.into_iter().map(|why| format!("the answer to {path}: {why}")));
        state.workspace.answers.push(answer.body.clone());
        if answer.body["response_type"] == "in_channel" {
            answer.ts = state.workspace.post(&answer.channel, answer.body.clone(), None, None);
        }
    }

    /// Names what goes along with the request, and remembers what the server may use later.
    fn sent(&self, user: &str, message: Option<&Message>) -> Sent {
        let mut state = self.shared.state();
        let channel = message.map_or_else(|| self.channel.clone(), |message| message.channel.clone());
        state.workspace.channel(&channel);
        let (id, trigger) = (state.workspace.token(), state.workspace.token());
        let response_url = format!("{}/response/{id}", self.slack);
        state.workspace.follow_ups.insert(response_url.clone(), Vec::new());
        state.workspace.triggers.insert(trigger.clone(), (user.to_owned(), Instant::now()));
        let ts = state.workspace.next_ts(&channel);
        Sent { user: user.to_owned(), team: self.team.clone(), channel, ts, response_url, trigger }
    }
}
