//! Small parts that several pages have: badges, addresses, times.

use chrono::{DateTime, Utc};
use entryguard_core::domain::{Addresses, HostAddress, RuleStatus, SessionStatus, Span, Timestamp};
use maud::{Markup, html};

/// A session's status as a coloured badge that also says it in a word.
pub fn session_badge(status: SessionStatus) -> Markup {
    let kind = match status {
        SessionStatus::Pending | SessionStatus::Expiring => "busy moving",
        SessionStatus::Requested => "busy",
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
        RuleStatus::Pending | RuleStatus::Removing => "busy moving",
        RuleStatus::Applied => "good",
        RuleStatus::Failed => "bad",
        RuleStatus::Removed => "over",
    };
    html! { span class={ "badge " (kind) } { (status.as_str()) } }
}

/// An address, and which family it is of.
pub fn address(address: HostAddress) -> Markup {
    html! { span class="address" { code { (address) } " " span class="family" { (family(address)) } } }
}

/// Addresses, one a line.
pub fn addresses(addresses: Addresses) -> Markup {
    html! { @for each in addresses.iter() { div { (address(each)) } } }
}

/// The family's name.
pub const fn family(address: HostAddress) -> &'static str {
    if address.ip().is_ipv4() { "IPv4" } else { "IPv6" }
}

/// A point in time, which the script tells in the reader's own time.
pub fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (in_words(at)) } }
}

/// How long until then. The script counts it down.
pub fn until(at: Timestamp, now: Timestamp) -> Markup {
    html! { span class="left" data-until=(at.as_millis()) { (left(at.since(now))) } }
}

// To the minute: what it says is the same for a while, so a table that is rendered again is too.
fn left(span: Span) -> String {
    let minutes = span.as_millis() / 60_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => "in less than 1m".to_owned(),
        (0, minutes) => format!("in {minutes}m"),
        (hours, 0) => format!("in {hours}h"),
        (hours, minutes) => format!("in {hours}h {minutes}m"),
    }
}

fn in_words(at: Timestamp) -> String {
    match DateTime::<Utc>::from_timestamp_millis(at.as_millis()) {
        Some(time) => time.format("%-d %b %Y, %H:%M UTC").to_string(),
        None => at.to_string(),
    }
}

/// How many of something, in words.
pub fn many(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_read_them() {
        let texts = [5, 60, 3_599, 7_200, 7_260].map(|seconds| left(Span::from_seconds(seconds)));
        assert_eq!(texts, ["in less than 1m", "in 1m", "in 59m", "in 2h", "in 2h 1m"]);
        assert_eq!(in_words(Timestamp::from_millis(1_700_000_000_000)), "14 Nov 2023, 22:13 UTC");
        assert_eq!([1, 2].map(|count| many(count, "resource")), ["1 resource", "2 resources"]);
    }
}
