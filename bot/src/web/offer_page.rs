//! The page behind a one-time link: what will be opened and for which addresses, and what to know before that.

use axum::response::{IntoResponse, Response};
use entryguard_core::domain::HostAddress;
use entryguard_core::engine::Offer;
use http::StatusCode;
use maud::{Markup, html};

use super::confirm::other_url;
use super::layout::page;
use super::parts::{address as shown_address, many, moment};
use super::warnings::Warnings;
use crate::http::client_address::ClientAddress;
use crate::http::{Page, Shared};

/// The question, and what to know before it is answered.
pub struct OfferPage<'a> {
    /// What every handler may use.
    pub shared: &'a Shared,
    /// The link's secret.
    pub token: &'a str,
    /// What the link will open.
    pub offer: &'a Offer,
    /// From where.
    pub client: &'a ClientAddress,
    /// The address of the other family, if it was seen lately, and as it was sealed.
    pub other: Option<(HostAddress, String)>,
    /// What to know first.
    pub warnings: Warnings<'a>,
}

impl OfferPage<'_> {
    /// The page.
    pub fn render(&self) -> Response {
        let content = html! {
            (self.warnings.moved(|_| html! {
                p class="note" { "It goes on beside this one. Stop it, if nobody should come from there any more." }
            }))
            section class="card" {
                h1 { "Open " (many(self.offer.resources.len(), "resource")) " for " (self.offer.duration) "?" }
                (self.facts())
                @match &self.client.0 {
                    Ok(address) => { (self.warnings.hints()) (self.buttons(*address)) },
                    Err(_) => { p { "Nothing can be opened from here: an address that is not certain is never opened." } },
                }
            }
        };
        let status = if self.client.0.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        Page { status, markup: page("Confirm your address", None, &content) }.into_response()
    }

    fn facts(&self) -> Markup {
        html! {
            dl {
                dt { "Member" } dd { (self.offer.member) }
                dt { "Duration" } dd { (self.offer.duration) }
                @if let Some(reason) = &self.offer.reason { dt { "Reason" } dd { (reason) } }
                dt { "Resources" } dd { (self.offer.resources.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")) }
                dt { (if self.other.is_some() { "Your addresses" } else { "Your address" }) }
                dd {
                    @match &self.client.0 {
                        Ok(address) => { div { (shown_address(*address)) } },
                        Err(doubt) => { span class="error" { (doubt) } },
                    }
                    @if let Some((other, _)) = &self.other { div { (shown_address(*other)) } }
                }
            }
        }
    }

    fn buttons(&self, address: HostAddress) -> Markup {
        html! {
            @if let Some((other, sealed)) = &self.other {
                (self.button(address, Some(sealed), html! { "Open for " (address) " and " (other) }))
                (self.button(address, None, html! { "Open for " (address) " alone" }))
            } @else {
                (self.button(address, None, html! { "Open for " (address) }))
            }
            @if let Some(approval) = &self.offer.approval {
                p class="note" {
                    "It then waits for " (approval.approvers.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" or "))
                    ", for " (approval.within) " at the most."
                }
            }
            p class="note" { "This link works once, until " (moment(self.offer.expires_at))
                ". Only what you see here will be let in, and only for that long." }
            @if self.other.is_none() { (other_family(self.shared, self.token, address)) }
        }
    }

    fn button(&self, address: HostAddress, other: Option<&String>, label: Markup) -> Markup {
        // The one that opens all that was seen is the first, and the one to press.
        let class = (other.is_some() || self.other.is_none()).then_some("primary");
        html! {
            form method="post" action={ "/confirm/" (self.token) } {
                input type="hidden" name="address" value=(address);
                @if let Some(sealed) = other { input type="hidden" name="other" value=(sealed); }
                button class=[class] type="submit" { (label) }
            }
        }
    }
}

/// A page sees the one family that it was reached over. How to open the other one, too.
fn other_family(shared: &Shared, token: &str, address: HostAddress) -> Markup {
    let (this, other, flag) = if address.ip().is_ipv4() { ("IPv4", "IPv6", "-6") } else { ("IPv6", "IPv4", "-4") };
    if other_url(shared, address).is_some() {
        return html! {
            form method="post" action={ "/confirm/" (token) "/other" } { button type="submit" { "Add my " (other) " address first" } }
            p class="note" { "You reached this page over " (this) " alone. Add the other one if your programs use both." }
            (private_relay())
        };
    }
    html! {
        p class="note" {
            "You reached this page over " (this) " alone. If your programs also use " (other) ", confirm this link, run the command again "
            "for a second link, and open that one over " (other) ": "
            code { "curl " (flag) " -X POST " (shared.server.public_url) "/confirm/…" } "."
        }
        (private_relay())
    }
}

fn private_relay() -> Markup {
    html! {
        p class="note" {
            "A VPN or a private relay of your browser can give it another address than your programs have: run "
            code { "curl -X POST" } " with this link on the machine that needs the access instead."
        }
    }
}
