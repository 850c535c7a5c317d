//! The card that a session is started from: where the visitor comes from, what that means, and how long they may choose.

use entryguard_core::domain::{Directory, HostAddress, Terms};
use entryguard_core::engine::Caller;
use entryguard_core::reply::Card;
use maud::{Markup, html};

use super::parts::address;
use super::visitor::FormToken;
use super::warnings::Warnings;
use crate::http::client_address::AddressDoubt;

/// Where a visitor comes from, as far as it was seen.
pub struct Here<'a> {
    /// The address that this page was reached from.
    pub seen: &'a Result<HostAddress, AddressDoubt>,
    /// The same, as it was sealed.
    pub sealed: Option<String>,
    /// The one of the other family, if it was seen lately, and as it was sealed.
    pub other: Option<(HostAddress, String)>,
    /// Where the other family could be seen, if the server has a name for it.
    pub other_url: Option<&'a str>,
    /// What a sealed address is tied to.
    pub form_token: &'a FormToken,
}

impl Here<'_> {
    /// Every address that was seen.
    pub fn addresses(&self) -> Vec<HostAddress> {
        self.seen.as_ref().ok().copied().into_iter().chain(self.other.as_ref().map(|(other, _)| *other)).collect()
    }

    /// What every form sends along that opens something.
    pub fn fields(&self) -> Markup {
        let other = self.other.as_ref().map_or("", |(_, sealed)| sealed.as_str());
        html! {
            @if let Some(sealed) = &self.sealed {
                input type="hidden" name="seen" value=(sealed);
                input type="hidden" name="other" value=(other);
            }
        }
    }

    fn shown(&self, seen: HostAddress) -> Markup {
        let ticket = self.form_token.ticket();
        let elsewhere = self.other_url.map(|url| format!("{url}/address?for={ticket}"));
        let other = self.other.as_ref().map(|(other, _)| *other);
        let other_family = if seen.ip().is_ipv4() { "IPv6" } else { "IPv4" };
        html! {
            div class="here" id="here" data-own=(seen) data-sealed=[&self.sealed] data-look={ "/address?for=" (ticket) }
                data-elsewhere=[elsewhere] data-warnings="/sessions/warnings" {
                p class="label" id="here-label" { "You are coming from" }
                ul aria-labelledby="here-label" {
                    li { (address(seen)) }
                    // The script shows it here, and asks for it again where it is known: it is good for some minutes alone.
                    li id="other" data-address=[other] hidden[other.is_none()] { @if let Some(other) = other { (address(other)) } }
                }
                @if let (None, Some(url)) = (other, self.other_url) {
                    noscript { p class="note" {
                        a href={ (url) "/address/back?for=" (ticket) } { "Add my " (other_family) " address" }
                        ", if your programs use both. Where that page cannot be reached, you have none: come back."
                    } }
                }
            }
        }
    }
}

/// The card.
pub struct StartCard<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// From where.
    pub here: &'a Here<'a>,
    /// Who may reach what.
    pub directory: &'a Directory,
    /// What to know first.
    pub warnings: &'a Warnings<'a>,
}

impl StartCard<'_> {
    /// The card.
    pub fn render(&self) -> Markup {
        html! {
            section class="card start" aria-labelledby="start" {
                h2 id="start" { "Start a session" }
                @match self.here.seen {
                    Err(doubt) => {
                        p class="error" { (doubt) }
                        p class="note" { "Nothing can be started from here: an address that is not certain is never opened." }
                    },
                    Ok(seen) => { (self.here.shown(*seen))
                        // What the script learns may be worth a warning, too.
                        div id="warnings" aria-live="polite" { (self.warnings.hints()) }
                        (self.form()) },
                }
            }
        }
    }

    fn form(&self) -> Markup {
        let member = self.caller.name();
        let (durations, default) = (self.directory.durations_for(member), self.directory.default_duration_for(member));
        let terms = self.directory.terms_of(member);
        if self.directory.resources_of(member).is_empty() {
            return html! { p class="note" { "None of your roles gives you a resource yet. Ask an administrator for one." } };
        }
        html! {
            form method="post" action="/sessions" class="starting" {
                (self.here.form_token.field()) (self.here.fields())
                div class="field" {
                    label for="duration" { "Duration" }
                    select id="duration" name="duration" {
                        @for duration in &durations { option value=(duration) selected[*duration == default] { (duration) } }
                        @if !durations.contains(&default) { option value=(default) selected { (default) } }
                    }
                }
                div class="field wide" {
                    label for="reason" { "Reason " span class="note" { "(optional)" } }
                    input id="reason" name="reason" type="text" maxlength="200" autocomplete="off" placeholder="What is it for?";
                }
                button class="primary" type="submit" { "Start Session" }
                (approval(&terms))
            }
        }
    }
}

fn approval(terms: &Terms) -> Markup {
    let Some(approval) = &terms.approval else { return html! {} };
    let who = approval.approvers.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" or ");
    html! {
        p class="note across" {
            @if who.is_empty() { "Your sessions take somebody’s approval, and nobody may give it yet. Ask an administrator." }
            @else { "Your sessions take approval: " (who) " is asked, and has " (approval.within) " to answer." }
        }
        @if terms.break_glass {
            details class="glass across" {
                summary { span { "It is an emergency" } }
                label class="check" {
                    input type="checkbox" name="break_glass" value="yes";
                    span { "Start without approval. " (who) " and the administrators are told at once, with your reason." }
                }
            }
        }
    }
}

/// What a running session that is not from here can do about it: come here.
pub fn move_here(card: &Card, here: &Here<'_>) -> Markup {
    html! {
        form method="post" action={ "/sessions/" (card.session) "/move" } {
            (here.form_token.field()) (here.fields())
            button class="primary" type="submit" { "Move the session here" }
            p class="note" { "A new one takes its place for the time that is left; the old address is shut out." }
        }
    }
}
