//! Where in a chat a session is shown, and what has been posted there: the text that the store keeps for us.

use std::collections::BTreeMap;

use entryguard_core::domain::{Identity, PostKind, Span, Timestamp};
use entryguard_core::engine::ANNOUNCEMENT;
use entryguard_core::store::ChatPost;
use serde::{Deserialize, Serialize};

use super::{ChatError, Sent};

/// The longest wait until a table is tried again, or until a post is looked at of which a message takes no edits: news of the session
/// waits no longer, either.
const LONGEST_WAIT: Span = Span::from_minutes(1);
/// Tries of a table that the chat refuses; a chat that is away has not refused it.
const TRIES: u32 = 80;

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
    /// The table that the chat did not take, if there is one: all else goes on meanwhile.
    #[serde(default)]
    pub held: Option<Held>,
    /// The messages that the chat takes no edits of for now, and until when, in milliseconds: all else goes on meanwhile.
    #[serde(default)]
    waits: BTreeMap<String, i64>,
}

/// A table that the chat did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    // Which one: any other is tried at once.
    table: String,
    tries: u32,
    // When it is tried again, in milliseconds; never, if there is no time.
    until: Option<i64>,
}

impl Place {
    /// As the store keeps it.
    pub fn stored(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Whether it is a channel, whose messages could go to a person instead.
    pub fn is_channel(&self) -> bool {
        !self.user.is_empty() && self.channel != self.user
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
    /// What has been posted where the channel takes nothing any more, and all is posted anew to the person.
    pub fn elsewhere(&self) -> Self {
        Self { elsewhere: true, told: self.told, ..Self::default() }
    }

    /// The parent message, once it is posted.
    pub fn parent(&self) -> Option<Sent> {
        Some(Sent { channel: self.channel.clone()?, id: self.parent.clone()? })
    }

    /// The message with the table, once it is posted.
    pub fn table(&self) -> Option<Sent> {
        Some(Sent { channel: self.thread.clone().or_else(|| self.channel.clone())?, id: self.table.clone()? })
    }
}

impl Shown {
    /// The chat has not taken this table, or not this time either.
    pub fn hold(&mut self, table: String, error: &ChatError, now: Timestamp) {
        let before = self.held.take().filter(|held| held.table == table).map_or(0, |held| held.tries);
        let tries = before.saturating_add(1);
        let over = match error {
            ChatError::Unreachable(_) => false,
            // It is not this table that is refused, but whatever is written below.
            ChatError::NoThread(_) => true,
            _ => tries >= TRIES,
        };
        let wait = Span::from_seconds(1_i64 << before.min(6)).min(LONGEST_WAIT);
        self.held = Some(Held { table, tries, until: (!over).then(|| now.plus(wait).as_millis()) });
    }

    /// Whether this table is to be tried again by now, where it is one that the chat did not take.
    pub fn holds(&self, table: Option<&str>, now: Timestamp) -> Option<bool> {
        let held = self.held.as_ref().filter(|held| Some(held.table.as_str()) == table)?;
        // One that is later than any wait can be was written while a clock was ahead.
        let latest = now.plus(LONGEST_WAIT).as_millis();
        Some(held.until.is_some_and(|until| until <= now.as_millis() || until > latest))
    }

    /// The chat takes no edit of this message before then.
    pub fn wait_for(&mut self, message: &str, until: Timestamp, now: Timestamp) {
        self.waits.retain(|_, until| *until > now.as_millis());
        self.waits.insert(message.to_owned(), until.as_millis());
    }

    /// Whether the chat has said that it takes no edit of this message by now.
    pub fn waits_for(&self, message: &str, now: Timestamp) -> bool {
        self.waits.get(message).is_some_and(|until| *until > now.as_millis())
    }

    /// When to look again for what the chat did not take, where that is to come.
    pub fn next_try(&self, now: Timestamp) -> Option<Timestamp> {
        let latest = now.plus(LONGEST_WAIT).as_millis();
        // One that is later than any wait can be was written while a clock was ahead.
        let held = self.held.as_ref().and_then(|held| held.until).filter(|until| *until <= latest);
        let waits = self.waits.values().map(|until| (*until).min(latest));
        waits.chain(held).map(Timestamp::from_millis).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_not_taken_is_tried_ever_more_rarely_and_another_one_at_once() {
        let refused = ChatError::Refused("no".to_owned());
        let (mut shown, mut now) = (Shown::default(), Timestamp::from_millis(0));
        let mut waits = Vec::new();
        for _ in 0..8 {
            shown.hold("a".to_owned(), &refused, now);
            assert_eq!((shown.holds(Some("a"), now), shown.holds(Some("b"), now)), (Some(false), None));
            let until = shown.next_try(now).unwrap();
            waits.push(until.since(now).as_millis() / 1000);
            now = until;
            assert_eq!((shown.holds(Some("a"), now), shown.next_try(now)), (Some(true), None));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        shown.hold("b".to_owned(), &refused, now);
        assert_eq!(shown.next_try(now), Some(now.plus(Span::from_seconds(1))));
    }

    #[test]
    fn a_message_that_takes_no_edits_waits_by_itself_and_is_looked_at_each_minute() {
        let (mut shown, now) = (Shown::default(), Timestamp::from_millis(0));
        shown.wait_for("1", now.plus(Span::from_seconds(1163)), now);
        assert_eq!((shown.waits_for("1", now), shown.waits_for("2", now)), (true, false));
        assert_eq!(shown.next_try(now), Some(now.plus(LONGEST_WAIT)));
        let shortly = now.plus(Span::from_seconds(1140));
        assert_eq!(shown.next_try(shortly), Some(now.plus(Span::from_seconds(1163))));
        let then = now.plus(Span::from_seconds(1163));
        assert_eq!((shown.waits_for("1", then), shown.next_try(then)), (false, None));
        shown.wait_for("2", then.plus(Span::from_seconds(1)), then);
        let kept: Shown = serde_json::from_str(&serde_json::to_string(&shown).unwrap()).unwrap();
        assert_eq!(kept.waits.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn what_a_chat_refuses_is_passed_over_at_last_and_what_it_was_away_for_never_is() {
        let held = |error: &ChatError, times: u32| {
            let mut shown = Shown::default();
            (0..times).for_each(|_| shown.hold("a".to_owned(), error, Timestamp::from_millis(0)));
            shown.holds(Some("a"), Timestamp::from_millis(i64::MAX / 2))
        };
        assert_eq!(held(&ChatError::NoAccess("no".to_owned()), TRIES - 1), Some(true));
        assert_eq!(held(&ChatError::NoAccess("no".to_owned()), TRIES), Some(false));
        assert_eq!(held(&ChatError::NoThread("no".to_owned()), 1), Some(false));
        assert_eq!(held(&ChatError::Unreachable("away".to_owned()), TRIES), Some(true));
    }
}
