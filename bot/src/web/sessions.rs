//! The Sessions page: what is open, for whom, until when; start, stop, extend.

use entryguard_core::domain::{HostAddress, SessionStatus, Span, Timestamp};
use entryguard_core::reply::{Card, CardRow};
use maud::{Markup, html};

use super::layout::{page, rule_badge, session_badge};
use crate::http::client_address::AddressDoubt;

/// What the page shows.
pub struct SessionsPage<'a> {
    /// The member's sessions, the newest first.
    pub cards: &'a [Card],
    /// The durations on offer.
    pub durations: &'a [Span],
    /// The duration that is chosen at first.
    pub default_duration: Span,
    /// The caller's address.
    pub client: &'a Result<HostAddress, AddressDoubt>,
    /// What went wrong with the last form.
    pub error: Option<&'a str>,
    /// What stands below the table.
    pub aside: Markup,
    /// The time.
    pub now: Timestamp,
}

impl SessionsPage<'_> {
    /// The whole page. While something is on its way it looks again by itself.
    pub fn render(&self) -> Markup {
        page(
            "Sessions",
            self.look_again(),
            &html! {
                @if let Some(error) = self.error { section role="alert" { p class="error" { (error) } } }
                section { h1 { "Sessions" } (self.start_form()) }
                section {
                    @if self.cards.is_empty() {
                        p { "No session yet. Start one: every resource of your roles opens for your address, and closes again by itself." }
                    } @else {
                        table {
                            thead { tr { th { "IP Addresses" } th { "Status" } th { "Resources" } th { "Expires" } th { "Actions" } } }
                            tbody { @for card in self.cards { (self.row(card)) } }
                        }
                    }
                }
                (self.aside)
            },
        )
    }

    /// In seconds: soon while something is on its way, and seldom enough to read in peace while a session runs.
    fn look_again(&self) -> Option<u32> {
        let on_its_way =
            |card: &Card| matches!(card.status, SessionStatus::Pending | SessionStatus::Expiring) || card.extending_to.is_some();
        if self.cards.iter().any(on_its_way) {
            return Some(1);
        }
        self.cards.iter().any(|card| card.status.is_live()).then_some(30)
    }

    fn start_form(&self) -> Markup {
        html! {
            @match self.client {
                Ok(address) => {
                    form method="post" action="/sessions" {
                        label { "Duration "
                            select name="duration" {
                                @for duration in self.durations {
                                    option value=(duration) selected[*duration == self.default_duration] { (duration) }
                                }
                            }
                        } " "
                        button class="primary" type="submit" { "Start Session" }
                    }
                    p class="note" { "Your address is " strong { (address) } ". Only it will be let in." }
                },
                Err(doubt) => { p class="error" { (doubt) } },
            }
        }
    }

    fn row(&self, card: &Card) -> Markup {
        html! {
            tr {
                td { @for address in card.addresses.iter() {
                    div { (address) " " span class="badge family" { @if address.ip().is_ipv4() { "IPv4" } @else { "IPv6" } } }
                } }
                td { (session_badge(card.status)) }
                td { details { summary { (card.resources) } (rules(&card.rows)) } }
                td { (self.expires(card)) }
                td class="actions" {
                    @if card.can_extend { (action(card, "extend", "Extend +2h")) }
                    @if card.can_stop { (action(card, "stop", "Stop")) }
                }
            }
        }
    }

    fn expires(&self, card: &Card) -> Markup {
        html! {
            @match &card.ended {
                Some((_, at, _)) => { "ended " (at) },
                None => { "in " (card.expires_at.since(self.now)) div class="note" { (card.expires_at) } },
            }
            @if let Some(to) = card.extending_to { div class="note" { "being extended to " (to) } }
        }
    }
}

fn rules(rows: &[CardRow]) -> Markup {
    html! {
        table { tbody { @for row in rows {
            tr {
                td { (row.resource) } td { (row.address) } td { (rule_badge(row.status)) }
                td {
                    @if row.foreign { span class="note" { "somebody else's rule; left as it is" } }
                    @if let Some(error) = &row.error { span class="error" { (error) } }
                }
            }
        } } }
    }
}

fn action(card: &Card, verb: &str, label: &str) -> Markup {
    html! {
        form class="inline" method="post" action={ "/sessions/" (card.session) "/" (verb) } { button type="submit" { (label) } }
    }
}
