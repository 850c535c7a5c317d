//! Replies in words: what each of them says, whatever the chat.

use super::message::{Action, Button, Markup, Message, Words};
use super::thread::{names, resources, session_status};
use super::{Card, Health, Help, Reply, ResourceHealth, all_rows, emergency, join, quoting, sign_in, typed};
use crate::domain::{Limit, SessionStatus, Timestamp};
use crate::engine::{Link, Remembered, Verdict};

/// A reply as a message.
pub fn words(reply: &Reply, public_url: &str, now: Timestamp, markup: &dyn Markup) -> Message {
    match reply {
        Reply::Confirm(link) => confirm(link, public_url, now, markup),
        Reply::Started(card) => started(card, markup),
        Reply::Stopping(cards) => {
            let closing = |card: &Card| match card.status {
                SessionStatus::Cancelled if card.rows.is_empty() => format!("Withdrawn: {}", brief(card, markup)),
                _ => format!("Closing {}", brief(card, markup)),
            };
            Message::of_lines("Closing", cards.iter().map(closing).collect())
        }
        Reply::Extending { card, capped_by } => extending(card, capped_by.as_ref(), markup),
        Reply::Answered { card, verdict } => {
            let member = markup.bold(&markup.text(card.member.as_str()));
            let line = match verdict {
                Verdict::Approve => format!("Approved: {} for {member}, on their way.", resources(card)),
                Verdict::Deny => format!("Denied: nothing is opened for {member}."),
            };
            Message::of_lines("Answered", vec![line])
        }
        Reply::Sessions(cards) if cards.is_empty() => {
            let line = format!("You have no sessions. {} opens one.", markup.code(&typed("start 2h")));
            Message::of_lines("No sessions", vec![line])
        }
        Reply::Sessions(cards) => Message::of_lines("Your sessions", cards.iter().map(|card| brief(card, markup)).collect()),
        Reply::Everybodys { cards, more } => emergency::everybodys(cards, *more, markup),
        Reply::Panicking(asked) => emergency::question(asked, markup),
        Reply::Panicked { scope, sessions } => emergency::done(scope, *sessions, markup),
        Reply::Lifted(lifted) => emergency::lifted(lifted, markup),
        Reply::Session(card) => session(card, markup),
        Reply::Resources(all) if all.is_empty() => {
            refused("User has no accessible cloud resources: none of your roles has any.", markup)
        }
        Reply::Resources(all) => Message::of_lines("Your resources", resource_lines(all, markup)),
        Reply::Whoami { member, identity, limit, admin, also } => {
            let admin = if *admin { ", an administrator" } else { "" };
            let line = format!(
                "You are {}{admin} ({}). Your sessions may last {} (set by {}).",
                markup.bold(&markup.text(member.as_str())),
                markup.code(&identity.to_string()),
                limit.longest,
                limit.set_by
            );
            let also: Vec<_> = also.iter().map(|identity| markup.code(&identity.to_string())).collect();
            let also = (!also.is_empty()).then(|| format!("Elsewhere you are {}.", also.join(", ")));
            Message::of_lines("Who you are", std::iter::once(line).chain(also).collect())
        }
        Reply::JoinCode(issued) => join::code(issued, public_url, markup),
        Reply::Joining(joining) => join::question(joining, markup),
        Reply::Joined(joining) => join::done(joining, markup),
        Reply::SignIn(issued) => sign_in::link(issued, public_url, markup),
        Reply::Parted(identity) => join::parted(identity, markup),
        Reply::Help(help) => help_message(help, markup),
        Reply::Refused(why) => refused(why, markup),
    }
}

/// One session with every resource of it.
fn session(card: &Card, markup: &dyn Markup) -> Message {
    // Of what nobody has agreed to there are no rules yet.
    let asked_for = card.would_open.iter().filter(|_| card.rows.is_empty());
    let asked_for = asked_for.map(|name| format!("• {}", markup.text(name.as_str())));
    let lines = std::iter::once(brief(card, markup)).chain(all_rows(card, markup)).chain(asked_for).collect();
    let buttons = super::thread::buttons(card).into_iter().filter(|button| !is_details(&button.action)).collect();
    Message { summary: "Session".to_owned(), lines, buttons, notes: Vec::new() }
}

/// It was not done, and why.
pub fn refused(why: &str, markup: &dyn Markup) -> Message {
    Message::of_lines(quoting(why, &Words), vec![quoting(why, markup)])
}

fn is_details(action: &Action) -> bool {
    matches!(action, Action::Details(_))
}

fn confirm(link: &Link, public_url: &str, now: Timestamp, markup: &dyn Markup) -> Message {
    let summary = format!("Confirm your address to open {}.", link.offer);
    let mut lines = vec![summary.clone()];
    if let Some(approval) = &link.offer.approval {
        let approvers: Vec<_> = approval.approvers.iter().cloned().collect();
        lines.push(format!("It then waits for {}, for {} at the most.", names(&approvers, markup), approval.within));
    }
    if link.offer.break_glass {
        let glass = markup.bold("This breaks the glass");
        lines.push(format!(
            "🚨 {glass}: it opens without the approval that it takes, and approvers and administrators hear of it at once."
        ));
    }
    let url = format!("{public_url}/confirm/{}", link.token.expose());
    let mut buttons = vec![Button::primary(Action::Follow { url }, "Confirm my address")];
    let mut notes = vec![format!(
        "A chat does not tell your address; the page behind this button sees it. The link works once, until {}.",
        markup.time(link.expires_at)
    )];
    if let Some(remembered) = &link.remembered {
        let same = Action::SameAddress { link: link.id.clone(), confirmed_at: remembered.confirmed_at };
        buttons.push(Button::plain(same, "Same as last time"));
        notes.push(format!("Last time: {}.", last_time(remembered, now)));
    }
    Message { summary, lines, buttons, notes }
}

/// `93.184.216.34, confirmed 2h ago`.
pub fn last_time(remembered: &Remembered, now: Timestamp) -> String {
    format!("{}, confirmed {}", remembered.addresses, confirmed_ago(remembered, now))
}

/// `2h ago`.
pub fn confirmed_ago(remembered: &Remembered, now: Timestamp) -> String {
    match now.since(remembered.confirmed_at).as_millis() / 60_000 {
        0 => "just now".to_owned(),
        minutes => format!("{} ago", crate::domain::Span::from_minutes(minutes)),
    }
}

fn started(card: &Card, markup: &dyn Markup) -> Message {
    let line = match card.status {
        SessionStatus::Requested => {
            format!("Asked {}. Nothing is open until they agree. {}", names(&card.approvers, markup), brief(card, markup))
        }
        _ => format!("Opening {}", brief(card, markup)),
    };
    Message { summary: "Session".to_owned(), lines: vec![line], buttons: super::thread::buttons(card), notes: Vec::new() }
}

fn extending(card: &Card, capped_by: Option<&Limit>, markup: &dyn Markup) -> Message {
    let end = card.extending_to.unwrap_or(card.expires_at);
    let cap = capped_by.map(|limit| format!(" That is the limit: {}, set by {}.", limit.longest, limit.set_by));
    let session = markup.code(card.session.short());
    let line = format!("Extending session {session} to {}.{}", markup.time(end), cap.unwrap_or_default());
    Message::of_lines("Extending", vec![line])
}

/// A session in one line.
pub fn brief(card: &Card, markup: &dyn Markup) -> String {
    let until = match (&card.ended, card.status) {
        (Some((_, at, _)), _) => format!("ended {}", markup.time(*at)),
        (None, SessionStatus::Requested) => format!("waits until {}", markup.time(card.expires_at)),
        (None, _) => {
            let longer = card.extending_to.map(|to| format!(", being extended until {}", markup.time(to)));
            format!("until {}{}", markup.time(card.expires_at), longer.unwrap_or_default())
        }
    };
    let session = markup.code(card.session.short());
    format!("{} {session} · {} · {} · {until}", session_status(card.status), resources(card), card.addresses)
}

/// Resources in a line each. Where a message does not hold them all, those that are not well come first.
pub fn resource_lines(resources: &[ResourceHealth], markup: &dyn Markup) -> Vec<String> {
    let line = |resource: &ResourceHealth| resource_line(resource, markup);
    let all: Vec<_> = resources.iter().map(line).collect();
    let characters: usize = all.iter().map(|line| line.chars().count() + 1).sum();
    if characters <= markup.holds() {
        return all;
    }
    let (ill, well): (Vec<_>, Vec<_>) = resources.iter().partition(|resource| matches!(resource.health, Health::Invalid { .. }));
    ill.into_iter().chain(well).map(line).collect()
}

/// A resource in one line, with what is known of its health.
fn resource_line(resource: &ResourceHealth, markup: &dyn Markup) -> String {
    let health = match &resource.health {
        Health::Valid { at } => format!("🟢 Valid, checked {}", markup.time(*at)),
        Health::Invalid { error, .. } => format!("🔴 Invalid: {}", markup.text(error)),
        Health::Unverified => "⚪ Unverified".to_owned(),
    };
    let name = markup.bold(&markup.text(resource.name.as_str()));
    format!("• {name} — {}, {} · {health}", resource.kind, markup.code(&resource.provider_id))
}

fn help_message(help: &Help, markup: &dyn Markup) -> Message {
    let line = |line: &super::HelpLine| format!("{} {}", markup.code(&typed(line.usage)), line.does);
    let start = |duration| Button::plain(Action::Start(duration), format!("Start {duration}"));
    let mut buttons: Vec<_> = help.durations.iter().copied().map(start).collect();
    if let Some(first) = buttons.iter_mut().find(|button| Some(&button.action) == help.default.map(Action::Start).as_ref()) {
        first.look = super::message::Look::Primary;
    }
    if !buttons.is_empty() {
        buttons.push(Button::plain(Action::OpenForm, "Start with options…"));
    }
    // What most people want comes first, and what can be written besides in small print.
    let (first, besides) = match buttons.is_empty() {
        true => ("What you can write here:".to_owned(), None),
        false => (markup.bold("Open your resources for your address:"), Some("Or write:".to_owned())),
    };
    let notes = besides.into_iter().chain(help.lines.iter().map(line)).collect();
    Message { summary: "Help".to_owned(), lines: vec![first], buttons, notes }
}
