//! A session's thread: the parent message says how it stands, and one message below it has a row for each resource.

use entryguard_core::domain::EndReason;
use entryguard_core::reply::{Card, CardRow};
use slack_morphism::prelude::{SlackActionsBlock, SlackBlock, SlackBlockButtonStyle, SlackMessageContent};

use super::blocks::{button, escape, lines, message, rule_status, section, session_status, time};
use super::interaction::{EXTEND, STOP};

/// The parent message.
pub fn parent(card: &Card) -> SlackMessageContent {
    let tally = card.tally();
    let many = if card.resources == 1 { "resource" } else { "resources" };
    let status = session_status(card.status);
    let mut text = format!("{status} · *{}* · {} {many} · from {}\n{}", card.member, card.resources, card.addresses, when(card));
    if let Some(reason) = &card.reason {
        text.push_str(&format!("\n> {}", escape(reason)));
    }
    if tally.failed > 0 {
        text.push_str(&format!("\n{} of {} rules failed; the thread says why.", tally.failed, tally.all));
    }
    let mut blocks = vec![section(&text)];
    blocks.extend(buttons(card));
    message(&format!("{} {}: {} {many} from {}", card.status.as_str(), card.member, card.resources, card.addresses), blocks)
}

/// The message with the table.
pub fn table(card: &Card) -> SlackMessageContent {
    let tally = card.tally();
    let done = if card.ended.is_some() { tally.removed } else { tally.applied };
    let what = if card.ended.is_some() { "closed" } else { "open" };
    let heading = format!("Session `{}`: {done} of {} {what}", card.session.short(), tally.all);
    let all: Vec<_> = std::iter::once(heading.clone()).chain(rows(card)).collect();
    message(&heading, lines(&all))
}

/// One line for each rule.
pub fn rows(card: &Card) -> Vec<String> {
    card.rows.iter().map(row).collect()
}

fn row(row: &CardRow) -> String {
    let foreign = if row.foreign { " · somebody else's rule, left as it is" } else { "" };
    let error = row.error.as_deref().map(|error| format!("\n      {}", escape(error))).unwrap_or_default();
    format!("{} · *{}* · {} {}{foreign}{error}", rule_status(row.status), row.resource, row.address, row.family())
}

fn when(card: &Card) -> String {
    match &card.ended {
        None => {
            let extending = card.extending_to.map(|to| format!(", being extended to {}", time(to))).unwrap_or_default();
            format!("Open until {}{extending} · session `{}`", time(card.expires_at), card.session.short())
        }
        Some((reason, at, by)) => {
            let how = match (reason, by) {
                (EndReason::Manual, Some(by)) => format!("Stopped by {by} at {}", time(*at)),
                (EndReason::Manual, None) => format!("Stopped at {}", time(*at)),
                (EndReason::Expired, _) => format!("Ran out at {}", time(*at)),
            };
            let closing = match card.closing_took {
                Some(took) => format!("closed in {:.1} s", took.as_duration().as_secs_f64()),
                None => "closing".to_owned(),
            };
            format!("{how}, {closing} · session `{}`{}", card.session.short(), connections(card))
        }
    }
}

/// A closed door lets nobody else in; whoever is inside may stay. People should not take one for the other.
fn connections(card: &Card) -> &'static str {
    match card.connections_go_on.is_empty() {
        true => "",
        false => "\nConnections that were open already may go on: AWS lets them, for up to 5 days. End them where that matters.",
    }
}

fn buttons(card: &Card) -> Option<SlackBlock> {
    let id = card.session.as_str();
    let extend = card.can_extend.then(|| button(EXTEND, "Extend +2h", id));
    let stop = card.can_stop.then(|| button(STOP, "Stop", id).with_style(SlackBlockButtonStyle::Danger));
    let elements: Vec<_> = [extend, stop].into_iter().flatten().map(Into::into).collect();
    (!elements.is_empty()).then(|| SlackActionsBlock::new(elements).into())
}
