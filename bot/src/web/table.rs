//! The table of sessions: a row that says how each is doing, and below it what it consists of.

use std::collections::BTreeSet;

use entryguard_core::domain::{Approval, BlockCause, ResourceName, SessionId, SessionStatus, Timestamp};
use entryguard_core::reply::{ALIKE, Card, CardRow, Likeness, gathered, in_a_word, named, said_together, what_to_do};
use maud::{Markup, html};

use super::parts::{address, addresses, many, moment, rule_badge, session_badge, until};
use super::visitor::FormToken;

/// A table of sessions.
pub struct SessionTable<'a> {
    /// What it is a table of, for whoever does not see where it stands.
    pub caption: &'a str,
    /// The sessions.
    pub cards: &'a [Card],
    /// Whose page it is.
    pub audience: Audience,
    /// The requests among them that the visitor may answer.
    pub to_answer: &'a BTreeSet<SessionId>,
    /// What every form has to bring back.
    pub form_token: &'a FormToken,
    /// The time.
    pub now: Timestamp,
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The sessions' own member.
    Member,
    /// Whoever is asked whether the sessions may be opened.
    Approver,
    /// An administrator who sees everybody's.
    Administrator,
}

impl SessionTable<'_> {
    /// The table.
    pub fn render(&self) -> Markup {
        html! {
            table class="sessions" role="table" {
                caption class="unseen" { (self.caption) }
                thead role="rowgroup" { tr role="row" { @for heading in self.headings() { th role="columnheader" scope="col" { (heading) } } } }
                @for card in self.cards { (self.session(card)) }
            }
        }
    }

    fn headings(&self) -> Vec<&'static str> {
        let own = ["IP Addresses", "Status", "Resources", "Expires", "Actions"];
        let whose = self.names_members().then_some("Member");
        whose.into_iter().chain(own).collect()
    }

    fn names_members(&self) -> bool {
        self.audience != Audience::Member
    }

    fn session(&self, card: &Card) -> Markup {
        let key = format!("rules-{}", card.session);
        // What went wrong, and what is to be judged, is seen without being asked for.
        let to_see = matches!(card.status, SessionStatus::Partial | SessionStatus::Failed) || self.audience == Audience::Approver;
        html! {
            tbody role="rowgroup" data-session=(card.session.short()) data-status=(card.status.as_str()) {
                tr role="row" class="main" {
                    @if self.names_members() { td role="cell" data-label="Member" { strong { (card.member) } } }
                    td role="cell" data-label="IP Addresses" { (addresses(card.addresses)) }
                    td role="cell" data-label="Status" { (session_badge(card.status)) (approval(card)) }
                    td role="cell" data-label="Resources" class="number" { (card.resources) }
                    td role="cell" data-label="Expires" { (self.expires(card)) }
                    td role="cell" data-label="Actions" class="actions" { (self.actions(card)) }
                }
                tr role="row" class="more" {
                    td role="cell" colspan=(self.headings().len()) {
                        details data-key=(key) open[to_see] {
                            summary data-key={ "open-" (key) } { span { (summary(card)) } }
                            (about(card))
                            (rules(card))
                        }
                    }
                }
            }
        }
    }

    fn expires(&self, card: &Card) -> Markup {
        html! {
            @match &card.ended {
                Some((_, at, _)) => { div { "Ended" } div class="note" { (moment(*at)) } },
                None if card.status == SessionStatus::Requested => {
                    div { "answer due " (until(card.expires_at, self.now)) } div class="note" { (moment(card.expires_at)) }
                },
                None => { div { (until(card.expires_at, self.now)) } div class="note" { (moment(card.expires_at)) } },
            }
            @if let Some(to) = card.extending_to { div class="note moving" { "being extended to " (moment(to)) } }
        }
    }

    fn actions(&self, card: &Card) -> Markup {
        let stop = match (card.status, self.audience) {
            (SessionStatus::Requested, Audience::Member) => "Withdraw",
            (SessionStatus::Requested, Audience::Approver | Audience::Administrator) => "Cancel",
            _ => "Stop",
        };
        html! {
            @if self.to_answer.contains(&card.session) {
                (self.action(card, "approve", "Approve"))
                (self.action(card, "deny", "Deny"))
            } @else {
                @if card.can_extend { (self.action(card, "extend", "Extend +2h")) }
                @if card.can_stop { (self.action(card, "stop", stop)) }
            }
        }
    }

    fn action(&self, card: &Card, verb: &str, label: &str) -> Markup {
        html! {
            form method="post" action={ "/sessions/" (card.session) "/" (verb) } data-live {
                (self.form_token.field())
                @if self.audience == Audience::Administrator { input type="hidden" name="from" value="everybody"; }
                button type="submit" class={ "small " (verb) } data-key={ (verb) "-" (card.session) } {
                    (label) span class="unseen" { " session " (card.session.short()) }
                }
            }
        }
    }
}

fn approval(card: &Card) -> Markup {
    html! {
        @match &card.approval {
            Approval::BreakGlass => { div class="note" { "Without approval" } },
            Approval::Granted { by } => { div class="note" { "Approved by " (by) } },
            Approval::Awaited { .. } if !card.approvers.is_empty() => { div class="note" { "Waits for " (names(card)) } },
            Approval::Awaited { .. } | Approval::NotNeeded => {},
        }
    }
}

fn names(card: &Card) -> String {
    card.approvers.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" or ")
}

/// What the row opens with: how its rules are doing.
fn summary(card: &Card) -> String {
    let tally = card.tally();
    let resources = many(card.resources, "resource");
    match card.status {
        SessionStatus::Requested => format!("{resources} to open, once somebody agrees"),
        SessionStatus::Denied => "Nothing was opened".to_owned(),
        SessionStatus::Pending => format!("Opening {resources}: {} of {} done", tally.applied, many(tally.all, "rule")),
        SessionStatus::Active => format!("{resources} open"),
        SessionStatus::Partial => format!("{} of {} open, {} failed", tally.applied, many(tally.all, "rule"), tally.failed),
        SessionStatus::Failed => "Nothing could be opened so far; EntryGuard keeps trying".to_owned(),
        SessionStatus::Expiring => format!("Closing: {} of {} gone", tally.removed, many(tally.all, "rule")),
        SessionStatus::Expired | SessionStatus::Cancelled => match card.closing_took {
            Some(took) if took.as_millis() >= 1000 => format!("Closed, in {took}"),
            _ => "Closed".to_owned(),
        },
    }
}

fn about(card: &Card) -> Markup {
    html! {
        dl class="about" {
            dt { "Session" } dd { code { (card.session.short()) } }
            @if let Some(reason) = &card.reason { dt { "Reason" } dd { (reason) } }
            @if let Approval::Awaited { duration, .. } = &card.approval { dt { "Asked for" } dd { (duration) } }
            dt { (if card.approval.is_awaited() { "Asked" } else { "Started" }) } dd { (moment(card.started_at)) }
            @if let Some((_, _, Some(by))) = &card.ended { dt { "Ended by" } dd { (by) } }
            // Each has a row of its own where there are rules.
            @if card.rows.is_empty() && !card.would_open.is_empty() { dt { "Resources" } dd { (listed(&card.would_open)) } }
            @if !card.connections_go_on.is_empty() {
                dt { "Note" }
                dd { "Connections that were open already may go on at " (listed(&card.connections_go_on)) "." }
            }
        }
    }
}

fn listed(resources: &[ResourceName]) -> String {
    resources.iter().map(ResourceName::as_str).collect::<Vec<_>>().join(", ")
}

/// What several rules wait for: said once, above the table.
fn together(card: &Card) -> Markup {
    let waiting = card.rows.iter().filter(|row| row.error.is_some());
    let groups = gathered(waiting, CardRow::likeness);
    let causes = groups.iter().filter_map(|group| Some((group, common_cause(group)?)));
    html! {
        @for (group, cause) in causes {
            @let names: BTreeSet<_> = group.iter().map(|row| row.resource.to_string()).collect();
            p class="alike" {
                span class="error" { (said_together(cause, names.len())) ": " (named(&names.into_iter().collect::<Vec<_>>())) "." }
                " " span class="note" { (what_to_do(cause)) }
            }
        }
    }
}

/// The cause of a group that is large enough to be said of all at once.
fn common_cause(group: &[&CardRow]) -> Option<BlockCause> {
    match group.first()?.likeness() {
        (_, Likeness::Cause(cause)) if group.len() >= ALIKE => Some(cause),
        _ => None,
    }
}

fn rules(card: &Card) -> Markup {
    let alike =
        |row: &CardRow| card.rows.iter().filter(|other| other.likeness() == row.likeness()).take(ALIKE).collect::<Vec<_>>();
    html! {
        @if !card.rows.is_empty() {
            (together(card))
            table class="rules" role="table" {
                caption class="unseen" { "Rules of session " (card.session.short()) }
                thead role="rowgroup" { tr role="row" {
                    @for heading in ["Resource", "IP", "Status", "Error"] { th role="columnheader" scope="col" { (heading) } }
                } }
                tbody role="rowgroup" { @for row in &card.rows { (rule(row, common_cause(&alike(row)))) } }
            }
        }
    }
}

fn rule(row: &CardRow, said_above: Option<BlockCause>) -> Markup {
    html! {
        tr role="row" {
            td role="cell" data-label="Resource" { (row.resource) }
            td role="cell" data-label="IP" { (address(row.address)) }
            td role="cell" data-label="Status" { (rule_badge(row.status)) }
            td role="cell" data-label="Error" {
                @if let (Some(cause), Some(error)) = (said_above, &row.error) { span class="error" title=(error) { (in_a_word(cause)) } }
                @else if let Some(error) = &row.error { span class="error" { (error) } }
                @else if row.foreign { span class="note" { "Somebody else’s rule: used, and left as it is" } }
                @else { span class="note" { "None" } }
            }
        }
    }
}
