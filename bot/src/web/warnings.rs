//! What to know before addresses are opened. Every page that opens some says it in the same words.

use entryguard_core::domain::{HostAddress, SharedExit};
use entryguard_core::reply::Card;
use maud::{Markup, html};

use super::parts::family;

/// Addresses that a page is about to open, and what may speak against it.
pub struct Warnings<'a> {
    /// Where the member is, as far as it was seen.
    pub addresses: &'a [HostAddress],
    /// Ways out that many people share.
    pub shared_exits: &'a [SharedExit],
    /// The member's live sessions; where there is none, their last one.
    pub sessions: &'a [Card],
}

impl<'a> Warnings<'a> {
    /// Above everything: each running session that is not from here, with what the page can do about it.
    pub fn moved(&self, way_on: impl Fn(&Card) -> Markup) -> Markup {
        let to = self.addresses.iter().map(|seen| format!("{seen} ({})", family(*seen))).collect::<Vec<_>>().join(" and ");
        html! {
            @for card in self.elsewhere().filter(|card| card.status.is_live() && !card.approval.is_awaited()) {
                @let id = format!("moved-{}", card.session.short());
                section class="card banner" aria-labelledby=(id) {
                    div {
                        h2 id=(id) { "Your address changed" }
                        p { "Session " code { (card.session.short()) } " lets in " strong { (card.addresses) } ", and you are at "
                            strong { (to) } " now." }
                    }
                    (way_on(card))
                }
            }
        }
    }

    /// Beside the button.
    pub fn hints(&self) -> Markup {
        let shared = |seen| Some((seen, self.shared_exits.iter().find(|exit| exit.has(seen))?));
        html! {
            @for (seen, exit) in self.addresses.iter().copied().filter_map(shared) {
                p class="hint warn" { strong { "Many people share " (seen) "." } " It is a way out of " (exit.name)
                    ": everybody who comes through it is let in with you. Leave it first, if you can." }
            }
            @for card in self.elsewhere() {
                @if card.approval.is_awaited() && card.status.is_live() {
                    p class="hint warn" { strong { "You have asked for " (card.addresses) "." } " Request " code { (card.session.short()) }
                        " opens that, and not where you are now, once somebody agrees. If you have moved, withdraw it and ask again from here." }
                } @else if !card.status.is_live() {
                    p class="hint" { "Your last session was from " (card.addresses)
                        ". If you have not moved, look whether a VPN is on or off that should not be." }
                }
            }
        }
    }

    fn elsewhere(&self) -> impl Iterator<Item = &'a Card> {
        self.sessions.iter().filter(|card| card.was_seen() && card.addresses.differ_from(self.addresses))
    }
}
