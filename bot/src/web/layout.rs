//! What all pages look like.

use entryguard_core::domain::{RuleStatus, SessionStatus};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A whole page around its content.
pub fn page(title: &str, refresh: Option<u32>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex, nofollow";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (title) " · EntryGuard" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { strong { "EntryGuard" } }
                main { (content) }
            }
        }
    }
}

/// A session's status as a coloured badge that also says it in a word.
pub fn session_badge(status: SessionStatus) -> Markup {
    let kind = match status {
        SessionStatus::Requested | SessionStatus::Pending | SessionStatus::Expiring => "busy",
        SessionStatus::Active => "good",
        SessionStatus::Partial => "warn",
        SessionStatus::Failed | SessionStatus::Denied => "bad",
        SessionStatus::Expired | SessionStatus::Cancelled => "over",
    };
    html! { span class={ "badge " (kind) } { (status.as_str()) } }
}

/// A rule's status as a coloured badge that also says it in a word.
pub fn rule_badge(status: RuleStatus) -> Markup {
    let kind = match status {
        RuleStatus::Pending | RuleStatus::Removing => "busy",
        RuleStatus::Applied => "good",
        RuleStatus::Failed => "bad",
        RuleStatus::Removed => "over",
    };
    html! { span class={ "badge " (kind) } { (status.as_str()) } }
}

const STYLE: &str = include_str!("style.css");
