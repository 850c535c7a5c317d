//! What to do next for a post: one message or edit at a time, so that a channel's pace is kept and a crash loses no more than one.

use entryguard_core::domain::PostKind;
use entryguard_core::engine::Turn;
use entryguard_core::reply::{self, Card, message::Message, thread};
use slack_morphism::prelude::SlackMessageContent;

use super::blocks::{Mrkdwn, content};
use super::place::{Place, Posted, Shown};

/// One call to Slack.
pub enum Step {
    /// The message in the channel.
    PostParent(SlackMessageContent),
    /// The message in its thread.
    PostTable(SlackMessageContent),
    /// The table has changed.
    EditTable(String, SlackMessageContent),
    /// How the session stands has changed.
    EditParent(String, SlackMessageContent),
    /// Something happened: a line of its own, where there is something to say of it.
    Tell(i64, Option<SlackMessageContent>),
}

/// The next step; none where all is shown.
pub fn next(kind: PostKind, place: &Place, posted: &Posted, shown: &Shown, card: &Card, turns: &[Turn]) -> Option<Step> {
    let parent = parent(kind, place, posted, card);
    let Some(ts) = &posted.parent else { return Some(Step::PostParent(parent)) };
    let edit_parent = || (shown.parent != key(&parent)).then(|| Step::EditParent(ts.clone(), parent.clone()));
    match kind {
        PostKind::Request | PostKind::Alarm => edit_parent(),
        PostKind::Thread => {
            let table = content(&thread::table(card, &Mrkdwn));
            match &posted.table {
                None => Some(Step::PostTable(table)),
                // The table before the parent: whoever reads a status above finds it borne out below.
                Some(ts) if shown.table != key(&table) => Some(Step::EditTable(ts.clone(), table)),
                Some(_) => edit_parent().or_else(|| tell(posted, card, turns)),
            }
        }
    }
}

fn parent(kind: PostKind, place: &Place, posted: &Posted, card: &Card) -> SlackMessageContent {
    let mut message: Message = match kind {
        PostKind::Thread => thread::parent(card, &Mrkdwn),
        PostKind::Request => reply::request(card, &Mrkdwn),
        PostKind::Alarm => reply::alarm(card, &Mrkdwn),
    };
    if posted.elsewhere {
        let note =
            format!("Sent to you directly: EntryGuard is not in <#{}>. `/invite @EntryGuard` there changes that.", place.channel);
        message.notes.push(note);
    }
    content(&message)
}

fn tell(posted: &Posted, card: &Card, turns: &[Turn]) -> Option<Step> {
    // A longer time is told of once the clouds know it, as everywhere.
    let told_later = |turn: &&Turn| turn.action == "session.extended" && card.extending_to.is_some();
    let untold = turns.iter().filter(|turn| turn.seq > posted.told);
    let untold: Vec<_> = untold.take_while(|turn| !told_later(turn)).cloned().collect();
    let through = untold.last()?.seq;
    Some(Step::Tell(through, reply::turns(&untold, card, &Mrkdwn).map(|message| content(&message))))
}

/// What tells one content from another, short enough to keep.
pub fn key(content: &SlackMessageContent) -> Option<String> {
    use sha2::{Digest, Sha256};
    serde_json::to_vec(content).ok().map(|json| hex::encode(Sha256::digest(json)))
}
