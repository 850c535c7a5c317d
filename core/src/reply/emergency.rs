//! What is said of closing at once, to administrators alone.

use super::message::{Action, Button, Markup, Message};
use super::{Card, brief, typed};
use crate::domain::{Panic, PanicScope};
use crate::engine::{Emergency, Lifted};

/// Everybody's sessions, with whose each is.
pub(super) fn everybodys(cards: &[Card], more: bool, markup: &dyn Markup) -> Message {
    if cards.is_empty() {
        return Message::of_lines("No sessions", vec!["Nothing is open for anybody.".to_owned()]);
    }
    let line = |card: &Card| format!("{} · {}", markup.bold(&markup.text(card.member.as_str())), brief(card, markup));
    let stop = format!("{} closes one of them.", markup.code(&typed("stop SESSION")));
    let rest = more.then(|| format!("There are more: {} signs you in to the page that shows all.", markup.code(&typed("web"))));
    let lines = cards.iter().map(line).collect();
    Message { notes: [stop].into_iter().chain(rest).collect(), ..Message::of_lines("Everybody's sessions", lines) }
}

/// What closing at once would close, before it does.
pub(super) fn question(emergency: &Emergency, markup: &dyn Markup) -> Message {
    let Emergency { scope, sessions, in_force, asked_at } = emergency;
    let what = markup.bold(&format!("Close {} at once?", in_words(scope, markup)));
    let lines = vec![format!("🚨 {what} {}.", effect(scope, *sessions, markup))];
    let notes = in_force.iter().map(|panic| closed(panic, markup)).collect();
    let button = Button::danger(Action::CloseAtOnce { scope: scope.clone(), asked_at: *asked_at }, "Close it now");
    Message { summary: "Close at once?".to_owned(), lines, buttons: vec![button], notes }
}

/// It is closed.
pub(super) fn done(scope: &PanicScope, sessions: usize, markup: &dyn Markup) -> Message {
    let what = markup.bold(&format!("Closing {} at once.", in_words(scope, markup)));
    let line = format!("🚨 {what} {}.", effect(scope, sessions, markup));
    Message::of_lines("Closed at once", vec![line])
}

/// It may be opened again.
pub(super) fn lifted(lifted: &Lifted, markup: &dyn Markup) -> Message {
    let Lifted { panics, in_force } = lifted;
    let line = match (panics, in_force.as_slice()) {
        (0, _) => "Nothing of that is closed by a panic.",
        (_, []) => "Lifted: new sessions may start. Those that were closed stay closed.",
        (_, _) => "Lifted. Those that were closed stay closed, and so does what somebody else has closed:",
    };
    let still = in_force.iter().map(|panic| closed(panic, markup)).collect();
    Message { notes: still, ..Message::of_lines("Lifted", vec![line.to_owned()]) }
}

/// `2 sessions end, and ana opens nothing until …`.
fn effect(scope: &PanicScope, sessions: usize, markup: &dyn Markup) -> String {
    let (one, many) = if matches!(scope, PanicScope::Resource(_)) { ("loses it", "lose it") } else { ("ends", "end") };
    let sessions = if sessions == 1 { format!("1 session {one}") } else { format!("{sessions} sessions {many}") };
    let nothing = match scope {
        PanicScope::All => "nobody opens anything".to_owned(),
        PanicScope::Member(name) => format!("{} opens nothing", markup.text(name.as_str())),
        PanicScope::Resource(_) => "nobody opens it".to_owned(),
    };
    let lift = if *scope == PanicScope::All { "panic lift".to_owned() } else { format!("panic lift {scope}") };
    format!("{sessions}, and {nothing} until {}", markup.code(&typed(&lift)))
}

fn closed(panic: &Panic, markup: &dyn Markup) -> String {
    let why = panic.reason.as_deref().map(|reason| format!(": {}", markup.text(reason))).unwrap_or_default();
    let (scope, by) = (in_words(&panic.scope, markup), markup.text(&panic.by));
    format!("Closed already: {scope}, by {by}, {}{why}.", markup.time(panic.at))
}

fn in_words(scope: &PanicScope, markup: &dyn Markup) -> String {
    markup.text(&scope.to_string())
}
