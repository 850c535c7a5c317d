//! What to do next for a post: one message or edit at a time, so that a channel's pace is kept and a crash loses no more than one.

use entryguard_core::domain::{PostKind, Timestamp};
use entryguard_core::engine::Turn;
use entryguard_core::reply::{self, Card, thread};
use serde::Serialize;

use super::place::{Place, Posted, Shown};
use super::{Chat, Sent};

/// One call to a chat.
pub enum Step<Content> {
    /// The message in the channel.
    PostParent(Content),
    /// The message in its thread.
    PostTable(Sent, Content),
    /// The table has changed.
    EditTable(Sent, Content),
    /// How the session stands has changed.
    EditParent(Sent, Content),
    /// Something happened: a line of its own, where there is something to say of it.
    Tell(Sent, i64, Option<Content>),
}

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// To whom.
    pub kind: PostKind,
    /// Where.
    pub place: &'a Place,
    /// The session.
    pub card: &'a Card,
    /// What happened to it that was not told.
    pub turns: &'a [Turn],
}

impl<Content: Serialize> Step<Content> {
    /// The key of the table that it shows, if that is what it does.
    pub fn table(&self) -> Option<String> {
        match self {
            Self::PostTable(_, table) | Self::EditTable(_, table) => key(table),
            _ => None,
        }
    }

    /// The id of the message that it edits, if that is what it does.
    pub fn edited(&self) -> Option<String> {
        match self {
            Self::EditTable(message, _) | Self::EditParent(message, _) => Some(message.id.clone()),
            _ => None,
        }
    }
}

/// The next step; none where all is shown that the chat takes by now.
pub fn next<C: Chat>(chat: &C, wanted: Wanted<'_>, posted: &Posted, shown: &Shown, now: Timestamp) -> Option<Step<C::Content>> {
    let Wanted { kind, card, .. } = wanted;
    let parent = parent(chat, wanted, posted);
    let Some(at) = posted.parent() else { return Some(Step::PostParent(parent)) };
    if posted.gone {
        return None;
    }
    let edit_parent = || {
        let is_due = shown.parent != key(&parent) && !shown.waits_for(&at.id, now);
        is_due.then(|| Step::EditParent(at.clone(), parent.clone()))
    };
    match kind {
        PostKind::Request | PostKind::Alarm => edit_parent(),
        PostKind::Thread => {
            let table = chat.content(&thread::table(card, chat.markup()));
            let this = key(&table);
            let held = shown.holds(this.as_deref(), now);
            let table = || match posted.table() {
                None => Some(Step::PostTable(at.clone(), table)),
                Some(below) => {
                    let is_due = shown.table != this && !shown.waits_for(&below.id, now);
                    is_due.then_some(Step::EditTable(below, table))
                }
            };
            let others = || edit_parent().or_else(|| tell(chat, at.clone(), wanted, posted));
            match held {
                // The table before the parent: whoever reads a status above finds it borne out below.
                None => table().or_else(others),
                // One that the chat did not take waits for the others.
                Some(is_due) => others().or_else(|| table().filter(|_| is_due)),
            }
        }
    }
}

fn parent<C: Chat>(chat: &C, wanted: Wanted<'_>, posted: &Posted) -> C::Content {
    let Wanted { kind, place, card, .. } = wanted;
    let mut message = match kind {
        PostKind::Thread => thread::parent(card, chat.markup()),
        PostKind::Request => reply::request(card, chat.markup()),
        PostKind::Alarm => reply::alarm(card, chat.markup()),
    };
    if posted.elsewhere {
        message.notes.push(chat.elsewhere(&place.channel));
    }
    chat.content(&message)
}

fn tell<C: Chat>(chat: &C, parent: Sent, wanted: Wanted<'_>, posted: &Posted) -> Option<Step<C::Content>> {
    let Wanted { card, turns, .. } = wanted;
    let untold = turns.iter().filter(|turn| turn.seq > posted.told);
    // A longer time is told of once the clouds know it, as everywhere; but the end is near all the same where they never come to.
    let is_longer = |turn: &&Turn| turn.action == "session.extended";
    let mut since = untold.clone().skip_while(|turn| !is_longer(turn));
    let waits = card.extending_to.is_some() && !since.any(|turn| turn.action == "session.reminded");
    let told_later = |turn: &&Turn| waits && is_longer(turn);
    let untold: Vec<_> = untold.take_while(|turn| !told_later(turn)).cloned().collect();
    let through = untold.last()?.seq;
    Some(Step::Tell(parent, through, reply::turns(&untold, card, chat.markup()).map(|message| chat.content(&message))))
}

/// What tells one content from another, short enough to keep.
pub fn key(content: &impl Serialize) -> Option<String> {
    use sha2::{Digest, Sha256};
    serde_json::to_vec(content).ok().map(|json| hex::encode(Sha256::digest(json)))
}
