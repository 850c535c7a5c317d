//! Where in a chat a session is shown, and what has been posted there: the text that the store keeps for us.

use entryguard_core::domain::{Identity, PostKind};
use entryguard_core::engine::ANNOUNCEMENT;
use entryguard_core::store::ChatPost;
use serde::{Deserialize, Serialize};

use super::Sent;

/// Where a session is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The channel that the command came from; a person's id is as good as the direct messages with them.
    pub channel: String,
    /// Who gave it: where the app is not in the channel, they get it as a direct message. Nobody for an announcement.
    pub user: String,
}

/// What has been posted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The channel that took it.
    pub channel: Option<String>,
    /// The parent message.
    pub parent: Option<String>,
    /// The message in its thread, with the table.
    pub table: Option<String>,
    /// The channel of that, where a thread is one of its own.
    #[serde(default)]
    pub thread: Option<String>,
    /// Whether it went to its member directly, because the app is not in the channel.
    #[serde(default)]
    pub elsewhere: bool,
    /// The last turn that the thread has told.
    #[serde(default)]
    pub told: i64,
    /// Whether somebody deleted the parent before there was anything below it: there is no thread then, and never will be.
    #[serde(default)]
    pub gone: bool,
}

/// What the messages show: edited only when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The parent's content.
    pub parent: Option<String>,
    /// The table's content.
    pub table: Option<String>,
}

impl Place {
    /// As the store keeps it.
    pub fn stored(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Where a post goes. None where there is no such place: an announcement without a channel for it.
    pub fn of(post: &ChatPost, announcements: Option<&str>, person: impl Fn(&Identity) -> Option<String>) -> Option<Self> {
        match post.kind {
            PostKind::Thread => serde_json::from_str(&post.place).ok(),
            PostKind::Request | PostKind::Alarm if post.place == ANNOUNCEMENT => {
                announcements.map(|channel| Self { channel: channel.to_owned(), user: String::new() })
            }
            PostKind::Request | PostKind::Alarm => {
                let user = person(&post.place.parse().ok()?)?;
                Some(Self { channel: user.clone(), user })
            }
        }
    }
}

impl Posted {
    /// The parent message, once it is posted.
    pub fn parent(&self) -> Option<Sent> {
        Some(Sent { channel: self.channel.clone()?, id: self.parent.clone()? })
    }

    /// The message with the table, once it is posted.
    pub fn table(&self) -> Option<Sent> {
        Some(Sent { channel: self.thread.clone().or_else(|| self.channel.clone())?, id: self.table.clone()? })
    }
}
