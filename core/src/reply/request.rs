//! What approvers and administrators are shown of somebody else's session.

use super::Card;
use super::message::{Action, Button, Markup, Message};
use super::thread::{resources, session_status};
use crate::domain::{Approval, EndReason, LearntBy};

/// Resources that are named in the message itself.
const NAMED: usize = 20;

/// A request with its facts, and its answer once there is one.
pub fn request(card: &Card, markup: &dyn Markup) -> Message {
    let member = markup.bold(&markup.text(card.member.as_str()));
    let mut lines = vec![format!("🔑 {member} asks to open {} from {}.", resources(card), from(card))];
    lines.extend(facts(card, markup));
    let mut buttons = Vec::new();
    lines.push(match (&card.approval, &card.ended) {
        (Approval::Awaited { duration, .. }, None) => {
            buttons.push(Button::primary(Action::Approve(card.session.clone()), "Approve"));
            buttons.push(Button::danger(Action::Deny(card.session.clone()), "Deny"));
            if card.would_open.len() > NAMED {
                buttons.push(Button::plain(Action::Details(card.session.clone()), "All resources"));
            }
            format!("For {duration}, beginning when you approve. Answer until {}.", markup.time(card.expires_at))
        }
        (Approval::Granted { by }, None) => {
            // Whoever is asked may give more time, too; the member may not.
            if !card.extenders.is_empty() {
                buttons.push(Button::plain(Action::Extend(card.session.clone()), "Extend +2h"));
            }
            let (by, status) = (markup.text(by), session_status(card.status));
            format!("✅ Approved by {by}. {status} · for {}, until {}.", card.lasts(), markup.time(card.expires_at))
        }
        (Approval::Granted { by }, Some(_)) => format!("✅ Approved by {}. {}", markup.text(by), session_status(card.status)),
        (_, Some((EndReason::Denied, _, Some(by)))) => format!("⛔ Denied by {}.", markup.text(by)),
        (_, Some((EndReason::Denied, _, None))) => "⛔ Nobody answered in time, so it was denied.".to_owned(),
        (_, Some((_, _, by))) => format!("Withdrawn by {}.", markup.text(by.as_deref().unwrap_or("its member"))),
        (Approval::NotNeeded | Approval::BreakGlass, None) => session_status(card.status),
    });
    let summary = format!("{} asks to open {}", card.member, resources(card));
    Message { summary, lines, buttons, notes: Vec::new() }
}

/// What everybody has to know who answers for the resources.
pub fn alarm(card: &Card, markup: &dyn Markup) -> Message {
    let member = markup.bold(&markup.text(card.member.as_str()));
    let heading = format!(
        "🚨 {}: {member} opened {} from {} without the approval that it takes.",
        markup.bold("Break-glass"),
        resources(card),
        from(card)
    );
    let mut lines = vec![heading];
    lines.extend(facts(card, markup));
    lines.push(match card.ended {
        None => format!("{} · for {}, until {}", session_status(card.status), card.lasts(), markup.time(card.expires_at)),
        Some((_, at, _)) => format!("{} · ended {}", session_status(card.status), markup.time(at)),
    });
    let buttons = card.can_stop.then(|| Button::danger(Action::Stop(card.session.clone()), "Stop")).into_iter().collect();
    let summary = format!("Break-glass: {} opened {} without approval", card.member, resources(card));
    Message { summary, lines, buttons, notes: Vec::new() }
}

fn from(card: &Card) -> String {
    match card.learnt_by {
        Some(LearntBy::Hand) => format!("{} (given by hand)", card.addresses),
        _ => card.addresses.to_string(),
    }
}

fn facts(card: &Card, markup: &dyn Markup) -> Vec<String> {
    let reason =
        card.reason.as_deref().map_or_else(|| "No reason was given.".to_owned(), |r| format!("Reason: {}", markup.text(r)));
    let names: Vec<_> = card.would_open.iter().map(|name| markup.text(name.as_str())).collect();
    let (named, rest) = names.split_at(names.len().min(NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    vec![reason, format!("Resources: {}{more} · session {}", named.join(", "), markup.code(card.session.short()))]
}
