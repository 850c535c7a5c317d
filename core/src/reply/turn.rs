//! A session's turns, a line each: what happened to it since its thread began.

use super::Card;
use super::message::{Action, Button, Markup, Message};
use crate::domain::Timestamp;
use crate::store::Turn;

/// The line that tells of a turn, with what can be done about it; none where the thread's first messages say it already.
pub fn turn(turn: &Turn, card: &Card, markup: &dyn Markup) -> Option<Message> {
    let by = markup.text(&turn.actor);
    let time = |key: &str| turn.details[key].as_str().and_then(Timestamp::parse).map(|at| markup.time(at)).unwrap_or_default();
    let mut buttons = Vec::new();
    let line = match turn.action.as_str() {
        "session.extended" => {
            let capped = if turn.details["capped"] == true { ", which is the limit" } else { "" };
            format!("↪ Extended by {by} to {}{capped}.", time("to"))
        }
        "session.reminded" => {
            if card.can_extend {
                buttons.push(Button::plain(Action::Extend(card.session.clone()), "Extend +2h"));
            }
            format!("⏰ Ends {}, in about 10 minutes.", time("expiresAt"))
        }
        "session.stopped" => match turn.details["why"].as_str() {
            Some(why) => format!("⏹ Stopped: {}.", markup.text(why)),
            None => format!("⏹ Stopped by {by}."),
        },
        "session.expired" => "⌛ Its time ran out.".to_owned(),
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
    };
    Some(Message { summary: line.clone(), lines: vec![line], buttons, notes: Vec::new() })
}

/// Several turns as one message: a chat takes one a second.
pub fn turns(turns: &[Turn], card: &Card, markup: &dyn Markup) -> Option<Message> {
    let all = turns.iter().filter_map(|each| turn(each, card, markup));
    all.reduce(|mut told, next| {
        told.summary = next.summary;
        told.lines.extend(next.lines);
        told.buttons = next.buttons;
        told
    })
}
