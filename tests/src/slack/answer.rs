//! What the server answered to Slack.

use std::time::Duration;

use serde_json::Value;

use super::message::Message;
use super::text::text_of;

/// The server's answer to a command, a press or a view.
#[derive(Debug, Clone)]
pub struct SlackAnswer {
    /// HTTP status.
    pub status: u16,
    /// JSON, or the raw body as a JSON string, or null where it is empty.
    pub body: Value,
    /// How long the server took.
    pub took: Duration,
    /// Where the server may say more.
    pub response_url: String,
    pub(super) channel: String,
    pub(crate) user: String,
    pub(super) ts: String,
}

impl SlackAnswer {
    /// What the person reads.
    pub fn text(&self) -> String {
        self.body.as_str().map_or_else(|| text_of(&self.body), str::to_owned)
    }

    /// Whether the person can read this in it.
    pub fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// The answer as the message that Slack shows, so that its buttons can be pressed.
    pub fn message(&self) -> Message {
        let in_channel = self.body["response_type"] == "in_channel";
        Message {
            channel: self.channel.clone(),
            ts: self.ts.clone(),
            thread_ts: None,
            ephemeral_to: (!in_channel).then(|| self.user.clone()),
            content: self.body.clone(),
            posted: std::time::Instant::now(),
            edits: Vec::new(),
            deleted: false,
        }
    }
}
