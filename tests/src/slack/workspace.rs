//! What a workspace remembers: channels, messages, views, and what was said to response URLs.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::SlackDouble;
use super::message::{Edit, Message};

/// The workspace's memory.
#[derive(Debug)]
pub struct Workspace {
    /// Every message ever, in order, deleted and ephemeral ones included.
    pub messages: Vec<Message>,
    pub views: Vec<(String, Value)>,
    /// What the app answered to commands and views.
    pub answers: Vec<Value>,
    pub calls: BTreeMap<String, usize>,
    pub follow_ups: BTreeMap<String, Vec<Value>>,
    /// Trigger → who, when: good for some seconds, once.
    pub triggers: BTreeMap<String, (String, Instant)>,
    channels: BTreeMap<String, u32>,
    tokens: u32,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            views: Vec::new(),
            answers: Vec::new(),
            calls: BTreeMap::new(),
            follow_ups: BTreeMap::new(),
            triggers: BTreeMap::new(),
            channels: BTreeMap::from([(SlackDouble::CHANNEL.to_owned(), 0)]),
            tokens: 0,
        }
    }
}

/// The direct-message channel with a person.
pub fn direct_channel_of(user: &str) -> String {
    format!("D{}", user.trim_start_matches('U'))
}

impl Workspace {
    /// Makes the channel exist.
    pub fn channel(&mut self, id: &str) {
        self.channels.entry(id.to_owned()).or_insert(0);
    }

    /// A person's id is as good as the channel with them.
    pub fn resolve(&mut self, id: &str) -> Option<String> {
        if id.starts_with('U') {
            let direct = direct_channel_of(id);
            self.channel(&direct);
            return Some(direct);
        }
        self.channels.contains_key(id).then(|| id.to_owned())
    }

    /// The next message name in a channel.
    pub fn next_ts(&mut self, channel: &str) -> String {
        let posted = self.channels.entry(channel.to_owned()).or_insert(0);
        *posted += 1;
        format!("17000{:05}.000100", *posted)
    }

    /// Adds a message and gives its `ts`.
    pub fn post(&mut self, channel: &str, content: Value, thread_ts: Option<String>, ephemeral_to: Option<String>) -> String {
        let (ts, posted) = (self.next_ts(channel), Instant::now());
        let edits = vec![Edit { at: posted, content: content.clone() }];
        let channel = channel.to_owned();
        let message = Message { channel, ts: ts.clone(), thread_ts, ephemeral_to, content, posted, edits, deleted: false };
        self.messages.push(message);
        ts
    }

    /// The message that may be edited or deleted: ephemeral ones cannot.
    pub fn standing(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        let named = |message: &&mut Message| message.channel == channel && message.ts == ts;
        self.messages.iter_mut().find(named).filter(|message| !message.deleted && message.ephemeral_to.is_none())
    }

    /// A name that nobody has had: of a trigger or a response URL.
    pub fn token(&mut self) -> String {
        self.tokens += 1;
        format!("{:010}.{}", self.tokens, "5ec7e7")
    }
}

/// What Slack sends about a message: the content with the names around it.
pub fn as_sent(message: &Message) -> Value {
    let mut sent = message.content.clone();
    if let Some(object) = sent.as_object_mut() {
        object.retain(|name, _| ["text", "blocks", "attachments", "metadata"].contains(&name.as_str()));
        object.extend(
            [("type", json!("message")), ("user", json!("UBOT")), ("bot_id", json!("BBOT")), ("app_id", json!("AAPP"))]
                .map(|(name, value)| (name.to_owned(), value)),
        );
        object.insert("ts".to_owned(), json!(message.ts));
        object.insert("team".to_owned(), json!(SlackDouble::TEAM));
        if let Some(thread) = &message.thread_ts {
            object.insert("thread_ts".to_owned(), json!(thread));
        }
    }
    sent
}
