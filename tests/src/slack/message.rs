//! A message as the double keeps it.

use std::time::Instant;

use serde_json::Value;

use super::text::text_of;

/// A message, with what it said before.
#[derive(Debug, Clone)]
pub struct Message {
    /// The channel it is in.
    pub channel: String,
    /// Its name within the channel.
    pub ts: String,
    /// The message that it replies to.
    pub thread_ts: Option<String>,
    /// The only person who sees it.
    pub ephemeral_to: Option<String>,
    /// What it says: `text`, `blocks`, `attachments`.
    pub content: Value,
    /// When it was posted.
    pub posted: Instant,
    /// Every content that it has had, the first and the present one included.
    pub edits: Vec<Edit>,
    /// Whether it is gone from the channel.
    pub deleted: bool,
}

/// What a message said from some instant on.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Since when.
    pub at: Instant,
    /// What.
    pub content: Value,
}

impl Message {
    /// What people read.
    pub fn text(&self) -> String {
        text_of(&self.content)
    }

    /// Whether people can read this in it.
    pub fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// When it first said this.
    pub fn first_said(&self, words: &str) -> Option<Instant> {
        self.edits.iter().find(|edit| text_of(&edit.content).contains(words)).map(|edit| edit.at)
    }

    pub(super) fn is_ephemeral(&self) -> bool {
        self.ephemeral_to.is_some()
    }

    pub(super) fn is_parent(&self) -> bool {
        self.thread_ts.as_ref().is_none_or(|thread| *thread == self.ts)
    }
}

/// A message and its replies.
#[derive(Debug, Clone)]
pub struct Thread {
    /// The message in the channel.
    pub parent: Message,
    /// The replies, oldest first.
    pub replies: Vec<Message>,
}

impl Thread {
    /// What people read, the replies indented.
    pub fn text(&self) -> String {
        let replies = self.replies.iter().map(|reply| format!("\n  ↳ {}", reply.text().replace('\n', "\n    ")));
        std::iter::once(self.parent.text()).chain(replies).collect()
    }

    /// Whether people can read this in the message or a reply.
    pub fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }
}
