//! A session as people see it, whatever shows it: the facts, the rows, and what can be done with it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Addresses, Approval, BlockCause, Directory, EndReason, HostAddress, LearntBy, MemberName, ResourceName, RuleStatus,
    SessionId, SessionRule, SessionStatus, Span, Timestamp, extended_end,
};
use crate::store::SessionView;

/// A session as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its id.
    pub session: SessionId,
    /// Whose it is.
    pub member: MemberName,
    /// What it shows.
    pub status: SessionStatus,
    /// From where.
    pub addresses: Addresses,
    /// How they were learnt; none where that was not kept.
    pub learnt_by: Option<LearntBy>,
    /// Why.
    pub reason: Option<String>,
    /// Whether it needs somebody's approval, and has it.
    pub approval: Approval,
    /// Who may answer, while nobody has.
    pub approvers: Vec<MemberName>,
    /// What it opens, or would open.
    pub would_open: Vec<ResourceName>,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when, as far as it may be promised: a longer time counts once every rule bears it.
    pub expires_at: Timestamp,
    /// The later end that is on its way into the clouds.
    pub extending_to: Option<Timestamp>,
    /// Who stopped it, and when it ended.
    pub ended: Option<(EndReason, Timestamp, Option<String>)>,
    /// How long closing took.
    pub closing_took: Option<Span>,
    /// Where its rules went, and connections that were open already may go on.
    pub connections_go_on: Vec<ResourceName>,
    /// How many resources it opens, or would open.
    pub resources: usize,
    /// One row for each rule, failures first.
    pub rows: Vec<CardRow>,
    /// Whether it can be stopped.
    pub can_stop: bool,
    /// Whether its member can extend it.
    pub can_extend: bool,
    /// Who can, where its member cannot by themselves.
    pub extenders: Vec<MemberName>,
    /// How much time it has left.
    pub left: Span,
}

/// One rule of a session as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRow {
    /// The resource.
    pub resource: ResourceName,
    /// The address.
    pub address: HostAddress,
    /// What it shows.
    pub status: RuleStatus,
    /// What went wrong.
    pub error: Option<String>,
    /// Why its resource refuses it, while it waits for that.
    pub waits_for: Option<BlockCause>,
    /// Whether somebody else's rule was there before.
    pub foreign: bool,
}

/// How many rules show what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// There.
    pub applied: usize,
    /// All of them.
    pub all: usize,
    /// Failed.
    pub failed: usize,
    /// Gone.
    pub removed: usize,
}

impl Card {
    /// A session as it stands at `now`.
    pub fn new(view: &SessionView, directory: &Directory, now: Timestamp) -> Self {
        let session = &view.session;
        let status = view.status();
        let longer =
            |limit| extended_end(session.started_at, session.expires_at, Span::from_minutes(1), &limit) > session.expires_at;
        let capped = !directory.limit_at(&session.member, session.started_at, now).is_ok_and(longer);
        let extending = view.is_extending();
        let mut rows: Vec<_> = view.rules.iter().map(CardRow::new).collect();
        rows.sort_by_key(|row| (row.rank(), row.resource.clone(), row.address));
        let confirmed = view.marked_until.filter(|_| extending && view.rules.iter().any(|rule| rule.applied_at.is_some()));
        let would_open = would_open(view, directory);
        let extendable = matches!(status, SessionStatus::Active | SessionStatus::Partial) && !capped && session.expires_at > now;
        let extenders = directory.extenders_of(session).filter(|_| extendable);
        Self {
            session: session.id.clone(),
            member: session.member.clone(),
            status,
            addresses: session.addresses,
            learnt_by: session.learnt_by,
            reason: session.reason.clone(),
            approval: session.approval.clone(),
            approvers: approvers(view, directory),
            started_at: session.started_at,
            expires_at: confirmed.unwrap_or(session.expires_at),
            extending_to: confirmed.map(|_| session.expires_at),
            ended: session.ending.as_ref().map(|ending| (ending.reason, ending.at, ending.by.clone())),
            closing_took: session.ending.as_ref().zip(session.closed_at).map(|(ending, closed)| closed.since(ending.at)),
            connections_go_on: connections_go_on(view, directory),
            resources: would_open.len(),
            would_open,
            rows,
            can_stop: status.is_live(),
            can_extend: extendable && extenders.is_none(),
            extenders: extenders.unwrap_or_default().into_iter().collect(),
            left: session.expires_at.since(now),
        }
    }

    /// How long it lasts in all, as far as it may be promised.
    pub fn lasts(&self) -> Span {
        self.expires_at.since(self.started_at)
    }

    /// Whether somebody was seen there. Elsewhere, an address by hand or of a schedule says nothing of where its member is.
    pub const fn was_seen(&self) -> bool {
        !matches!(self.learnt_by, Some(LearntBy::Hand | LearntBy::Configuration))
    }

    /// How many rules show what.
    pub fn tally(&self) -> Tally {
        let count = |status| self.rows.iter().filter(|row| row.status == status).count();
        Tally {
            applied: count(RuleStatus::Applied),
            all: self.rows.len(),
            failed: count(RuleStatus::Failed),
            removed: count(RuleStatus::Removed),
        }
    }
}

fn approvers(view: &SessionView, directory: &Directory) -> Vec<MemberName> {
    let awaited = view.session.approval.is_awaited() && view.session.ending.is_none();
    let approval = directory.terms_of(&view.session.member).approval.filter(|_| awaited);
    approval.map(|approval| approval.approvers.into_iter().collect()).unwrap_or_default()
}

/// What it opens; before anybody has agreed to it, what it asks for and its member's roles still give.
fn would_open(view: &SessionView, directory: &Directory) -> Vec<ResourceName> {
    if let Approval::Awaited { resources: asked_for, .. } = &view.session.approval {
        let given = directory.resources_of(&view.session.member).into_iter().map(|resource| resource.name.clone());
        return given.filter(|name| asked_for.is_empty() || asked_for.contains(name)).collect();
    }
    let wished: BTreeSet<_> = view.rules.iter().map(|rule| rule.resource.clone()).collect();
    wished.into_iter().collect()
}

fn connections_go_on(view: &SessionView, directory: &Directory) -> Vec<ResourceName> {
    let was_let_in = |rule: &&SessionRule| view.session.ending.is_some() && rule.applied_at.is_some() && !rule.is_foreign();
    let goes_on =
        |name: &&ResourceName| directory.resources.get(*name).is_some_and(|resource| resource.kind.keeps_open_connections());
    let names: BTreeSet<_> = view.rules.iter().filter(was_let_in).map(|rule| &rule.resource).filter(goes_on).collect();
    names.into_iter().cloned().collect()
}

impl CardRow {
    fn new(rule: &crate::domain::SessionRule) -> Self {
        Self {
            resource: rule.resource.clone(),
            address: rule.address,
            status: rule.status,
            error: rule.error.clone(),
            waits_for: rule.waits_for,
            foreign: rule.is_foreign(),
        }
    }

    /// What needs somebody's eye comes first.
    const fn rank(&self) -> u8 {
        match (self.error.is_some(), self.status) {
            (_, RuleStatus::Failed) => 0,
            (true, _) => 1,
            (false, RuleStatus::Pending | RuleStatus::Removing) => 2,
            (false, RuleStatus::Applied | RuleStatus::Removed) => 3,
        }
    }

    /// `IPv4` or `IPv6`.
    pub const fn family(&self) -> &'static str {
        if self.address.ip().is_ipv4() { "IPv4" } else { "IPv6" }
    }
}
