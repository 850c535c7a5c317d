//! A session's thread: the message above says how it stands, and the one below it has a row for each rule.

use std::collections::BTreeSet;

use super::Card;
use super::alike::said_together;
use super::message::{Action, Button, Markup, Message, Words};
use super::rows::rows;
use crate::domain::{Approval, EndReason, MemberName, RuleStatus, SessionStatus, Timestamp};

/// The message in the channel.
pub fn parent(card: &Card, markup: &dyn Markup) -> Message {
    let tally = card.tally();
    let status = session_status(card.status);
    let member = markup.bold(&markup.text(card.member.as_str()));
    let mut lines = vec![format!("{status} · {member} · {} · from {}", resources(card), card.addresses), when(card, markup)];
    lines.extend(approval(card, markup));
    if let Some(reason) = &card.reason {
        lines.push(format!("Reason: {}", markup.text(reason)));
    }
    if tally.failed > 0 {
        lines.push(format!("{} of {} rules failed{}; the thread says why.", tally.failed, tally.all, for_one_cause(card)));
    }
    if card.ended.is_some() && !card.connections_go_on.is_empty() {
        // A closed door lets nobody else in; whoever is inside may stay. People should not take one for the other.
        let why = "Connections that were open already may go on: AWS lets them, for up to 5 days. End them where that matters.";
        lines.push(why.to_owned());
    }
    let summary = format!("{} {}: {} from {}", card.status.as_str(), card.member, resources(card), card.addresses);
    Message { summary, lines, buttons: buttons(card), notes: Vec::new() }
}

/// `: 40 resources are full`, where all that failed wait for the same.
fn for_one_cause(card: &Card) -> String {
    let failed: Vec<_> = card.rows.iter().filter(|row| row.status == RuleStatus::Failed).collect();
    let cause = failed.first().and_then(|row| row.waits_for);
    match cause.filter(|cause| failed.iter().all(|row| row.waits_for == Some(*cause))) {
        Some(cause) => {
            let resources: BTreeSet<_> = failed.iter().map(|row| &row.resource).collect();
            format!(": {}", said_together(cause, resources.len()))
        }
        None => String::new(),
    }
}

/// The message with the table.
pub fn table(card: &Card, markup: &dyn Markup) -> Message {
    let tally = card.tally();
    let heading = |markup: &dyn Markup| match (card.status, card.ended.is_some()) {
        (SessionStatus::Requested | SessionStatus::Denied, _) => {
            format!("Session {}: nothing is open", markup.code(card.session.short()))
        }
        (_, false) => format!("Session {}: {} of {} open", markup.code(card.session.short()), tally.applied, tally.all),
        (_, true) => format!("Session {}: {} of {} closed", markup.code(card.session.short()), tally.removed, tally.all),
    };
    let lines = std::iter::once(heading(markup)).chain(rows(card, markup)).collect();
    Message::of_lines(heading(&Words), lines)
}

/// What can be done with a session.
pub fn buttons(card: &Card) -> Vec<Button> {
    let id = || card.session.clone();
    let extend = card.can_extend.then(|| Button::plain(Action::Extend(id()), "Extend +2h"));
    let stop = card.can_stop.then(|| match card.status {
        SessionStatus::Requested => Button::danger(Action::Stop(id()), "Withdraw"),
        _ => Button::danger(Action::Stop(id()), "Stop"),
    });
    let details = Button::plain(Action::Details(id()), "Details");
    [extend, stop, Some(details)].into_iter().flatten().collect()
}

/// `bo or cy`.
pub fn names(members: &[MemberName], markup: &dyn Markup) -> String {
    members.iter().map(|name| markup.text(name.as_str())).collect::<Vec<_>>().join(" or ")
}

/// `3 resources`.
pub fn resources(card: &Card) -> String {
    format!("{} {}", card.resources, if card.resources == 1 { "resource" } else { "resources" })
}

fn when(card: &Card, markup: &dyn Markup) -> String {
    let session = markup.code(card.session.short());
    match (&card.approval, &card.ended) {
        (Approval::Awaited { duration, .. }, None) => {
            format!("Asks for {duration} · waits for an answer until {} · session {session}", markup.time(card.expires_at))
        }
        (_, None) => {
            let longer = |to: Timestamp| format!("; being extended to {}, until {}", to.since(card.started_at), markup.time(to));
            let extending = card.extending_to.map(longer).unwrap_or_default();
            format!("Open for {}, until {}{extending} · session {session}", card.lasts(), markup.time(card.expires_at))
        }
        (_, Some((reason, at, by))) => {
            let at = markup.time(*at);
            let how = match (reason, by) {
                (EndReason::Manual, Some(by)) => format!("Stopped by {} {at}", markup.text(by)),
                (EndReason::Manual, None) => format!("Stopped {at}"),
                (EndReason::Expired, _) => format!("Ran out {at}"),
                (EndReason::Denied, Some(by)) => format!("Denied by {} {at}", markup.text(by)),
                (EndReason::Denied, None) => format!("Denied {at}: nobody answered in time"),
            };
            let closing = match card.closing_took {
                _ if card.rows.is_empty() => "nothing was opened".to_owned(),
                Some(took) => format!("closed in {:.1} s", took.as_duration().as_secs_f64()),
                None => "closing".to_owned(),
            };
            format!("{how}, {closing} · session {session}")
        }
    }
}

fn approval(card: &Card, markup: &dyn Markup) -> Option<String> {
    match &card.approval {
        Approval::NotNeeded => None,
        Approval::Awaited { .. } if card.ended.is_some() => None,
        Approval::Awaited { .. } => Some(format!("Waits for {}. Nothing is open yet.", names(&card.approvers, markup))),
        Approval::Granted { by } if card.extenders.is_empty() => Some(format!("Approved by {}.", markup.text(by))),
        Approval::Granted { by } => {
            Some(format!("Approved by {}. More time is up to {}.", markup.text(by), names(&card.extenders, markup)))
        }
        Approval::BreakGlass => Some(format!("🚨 {}: started without the approval that it takes.", markup.bold("Break-glass"))),
    }
}

/// A session's status: a glyph and the word.
pub fn session_status(status: SessionStatus) -> String {
    let glyph = match status {
        SessionStatus::Requested => "🟡",
        SessionStatus::Pending => "🔵",
        SessionStatus::Active => "🟢",
        SessionStatus::Partial => "🟠",
        SessionStatus::Failed => "🔴",
        SessionStatus::Expiring => "⏳",
        SessionStatus::Denied => "⛔",
        SessionStatus::Expired | SessionStatus::Cancelled => "⚪",
    };
    format!("{glyph} {}", status.as_str())
}

/// A rule's status: a glyph and the word.
pub fn rule_status(status: RuleStatus) -> String {
    let glyph = match status {
        RuleStatus::Pending => "🔵",
        RuleStatus::Applied => "🟢",
        RuleStatus::Failed => "🔴",
        RuleStatus::Removing => "⏳",
        RuleStatus::Removed => "⚪",
    };
    format!("{glyph} {}", status.as_str())
}
