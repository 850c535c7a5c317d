//! A session's turns, a line each: what happened to it since its thread began.

use super::Card;
use super::message::{Action, Button, Markup, Message, Words};
use super::thread::names;
use crate::domain::Timestamp;
use crate::store::Turn;

/// The line that tells of a turn, with what can be done about it; none where the thread's first messages say it already.
pub fn turn(turn: &Turn, card: &Card, markup: &dyn Markup) -> Option<Message> {
    let line = line(turn, card, markup)?;
    let can_extend = turn.action == "session.reminded" && card.can_extend;
    let buttons = can_extend.then(|| Button::plain(Action::Extend(card.session.clone()), "Extend +2h")).into_iter().collect();
    Some(Message { summary: self::line(turn, card, &Words)?, lines: vec![line], buttons, notes: Vec::new() })
}

fn line(turn: &Turn, card: &Card, markup: &dyn Markup) -> Option<String> {
    let by = markup.text(&turn.actor);
    let at = |key: &str| turn.details[key].as_str().and_then(Timestamp::parse);
    let time = |key: &str| at(key).map(|at| markup.time(at)).unwrap_or_default();
    Some(match turn.action.as_str() {
        "session.extended" => {
            let capped = if turn.details["capped"] == true { ", which is the limit" } else { "" };
            format!("↪ Extended by {by} to {}{capped}.", time("to"))
        }
        "session.shortened" => format!("⏰ Ends {}: its member's roles have hours, and they are over then.", time("to")),
        "session.reminded" => return reminder(card, at("expiresAt")?, markup),
        "session.stopped" => match (turn.details["why"].as_str(), turn.details["toAddresses"].as_str()) {
            (Some(why), _) => format!("⏹ Stopped: {}.", markup.text(why)),
            (None, Some(to)) => format!("➡ Moved to {} by {by}: a session from there goes on in its place.", markup.code(to)),
            (None, None) => match turn.details["scope"].as_str() {
                Some(closed) => format!("⏹ Stopped by {by}, who closed {} at once.", markup.text(closed)),
                None => format!("⏹ Stopped by {by}."),
            },
        },
        "session.expired" => "⌛ Its time ran out.".to_owned(),
        "session.interrupted" => {
            "⚠ A rule was removed or changed outside of EntryGuard. It is opened again; the table says how it stands.".to_owned()
        }
        "session.narrowed" => format!("✂ A resource was taken from it by {by}; the table says which."),
        "session.approved" => format!("✅ Approved by {by}."),
        "session.denied" => format!("⛔ Denied by {by}."),
        "session.lapsed" => "⛔ Denied: nobody answered in time.".to_owned(),
        "session.glass_broken" => format!("🚨 {by} broke the glass: it was started without the approval that it takes."),
        "session.closed" => match card.closing_took {
            Some(_) if card.rows.is_empty() => return None,
            Some(took) => format!("🔒 Closed, {:.1} s after its end.", took.as_duration().as_secs_f64()),
            None => "🔒 Closed.".to_owned(),
        },
        _ => return None,
    })
}

/// A chat may have been away: a reminder goes by the time that is left when it is told, and none that has been overtaken is.
fn reminder(card: &Card, ends: Timestamp, markup: &dyn Markup) -> Option<String> {
    let goes_on = card.expires_at.max(card.extending_to.unwrap_or(card.expires_at)).as_seconds() > ends.as_seconds();
    if card.ended.is_some() || card.left.is_zero() || goes_on {
        return None;
    }
    let left = match (card.left.as_millis() + 30_000) / 60_000 {
        0 => "less than a minute".to_owned(),
        1 => "about a minute".to_owned(),
        minutes => format!("about {minutes} minutes"),
    };
    let extenders = match card.extenders.as_slice() {
        [] => String::new(),
        extenders => format!(" More time is up to {}.", names(extenders, markup)),
    };
    Some(format!("⏰ Ends {}, in {left}.{extenders}", markup.time(ends)))
}

/// Several turns as one message: a chat takes one a second.
pub fn turns(turns: &[Turn], card: &Card, markup: &dyn Markup) -> Option<Message> {
    let all = turns.iter().filter_map(|each| turn(each, card, markup));
    all.reduce(|mut told, next| {
        told.summary = next.summary;
        told.lines.extend(next.lines);
        // What could be done after the last of them: a reminder's button stays while there is something to extend.
        if card.ended.is_some() || !next.buttons.is_empty() {
            told.buttons = next.buttons;
        }
        told
    })
}
