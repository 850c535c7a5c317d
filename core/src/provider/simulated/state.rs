//! What the simulated cloud is made of: lists with their past, calls that are yet to be done, and faults on order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::journal::{Call, Change, Event, Hand};
use super::{Fault, ProviderError};
use crate::domain::{ProviderRuleId, ResourceName, Span, Timestamp};
use crate::provider::SeenRule;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) journal: Vec<Event>,
    pub(super) faults: Faults,
    /// Lists that do not exist.
    pub(super) missing: BTreeSet<ResourceName>,
    lists: BTreeMap<ResourceName, List>,
    late: Vec<(Timestamp, ResourceName, Request)>,
    made: u64,
    calls: usize,
    shuffle: u64,
}

/// What will go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) at: BTreeMap<usize, Fault>,
    pub(super) changes: VecDeque<Fault>,
    pub(super) reads: VecDeque<Fault>,
    pub(super) lag: Option<Span>,
    /// How many rules of each address family a list holds.
    pub(super) quotas: BTreeMap<ResourceName, usize>,
    /// What goes wrong with every addition to a list.
    pub(super) always: BTreeMap<ResourceName, Fault>,
}

#[derive(Debug, Default)]
struct List {
    rules: Vec<SeenRule>,
    // What it was from when on, so that a read may be late.
    past: Vec<(Timestamp, Vec<SeenRule>)>,
}

/// A change that was asked for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// Rules to make; their ids are given to them then.
    Add(Vec<SeenRule>),
    Mark(Vec<(ProviderRuleId, Timestamp)>),
    Remove(Vec<ProviderRuleId>),
}

impl Request {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Mark(_) => "mark_until",
            Self::Remove(_) => "remove",
        }
    }
}

impl State {
    pub(super) fn seeded(seed: u64) -> Self {
        Self { shuffle: seed, ..Self::default() }
    }

    /// Does what was late and is due by now. Everything else comes after this.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        self.late.sort_by_key(|(at, ..)| *at);
        while self.late.first().is_some_and(|(at, ..)| *at <= now) {
            let (at, resource, request) = self.late.remove(0);
            // Whoever asked has long been told that it failed.
            drop(self.perform(at, &resource, request, Hand::OursLate));
        }
    }

    pub(super) fn last_late(&self) -> Option<Timestamp> {
        self.late.iter().map(|(at, ..)| *at).max()
    }

    pub(super) fn rules(&self, resource: &ResourceName) -> Vec<SeenRule> {
        self.lists.get(resource).map(|list| list.rules.clone()).unwrap_or_default()
    }

    pub(super) fn change(&mut self, now: Timestamp, resource: &ResourceName, request: Request) -> Result<(), ProviderError> {
        let fault = self.called(now, resource, request.name());
        let always = || self.faults.always.get(resource).copied().filter(|_| matches!(request, Request::Add(_)));
        let fault = fault.or_else(always);
        match fault {
            None => return self.perform(now, resource, request, Hand::Ours),
            // Whether it could be done is lost as well.
            Some(Fault::AnswerLost) => drop(self.perform(now, resource, request, Hand::Ours)),
            Some(Fault::Late(by)) => self.late.push((now.plus(by), resource.clone(), request)),
            Some(_) => {}
        }
        fault.map_or(Ok(()), Fault::answer)
    }

    pub(super) fn read(&mut self, now: Timestamp, resource: &ResourceName) -> Result<Vec<SeenRule>, ProviderError> {
        let fault = self.called(now, resource, "observe");
        if let Some(fault) = fault {
            fault.answer()?;
        }
        self.check_exists(resource)?;
        let lag = if let Some(Fault::Stale(lag)) = fault { Some(lag) } else { self.faults.lag };
        let as_of = lag.map_or(now, |lag| now.minus(lag));
        let mut seen = self.lists.entry(resource.clone()).or_default().as_of(as_of);
        // No cloud promises an order.
        let many = seen.len().max(1);
        self.shuffle = self.shuffle.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seen.rotate_left(usize::try_from(self.shuffle >> 33).unwrap_or_default() % many);
        if let Some(Fault::Short(shown)) = fault {
            seen.truncate(shown);
        }
        Ok(seen)
    }

    /// Makes one rule into another, or away with it.
    pub(super) fn edit(&mut self, change: Change) {
        let list = self.lists.entry(change.resource.clone()).or_default();
        if let Some(before) = &change.before {
            list.rules.retain(|rule| rule.id != before.id);
        }
        list.rules.extend(change.after.clone());
        list.past.push((change.at, list.rules.clone()));
        self.journal.push(Event::Change(Box::new(change)));
    }

    pub(super) fn next_id(&mut self) -> ProviderRuleId {
        self.made += 1;
        ProviderRuleId::from_stored(format!("sim-{}", self.made))
    }

    fn called(&mut self, at: Timestamp, resource: &ResourceName, name: &'static str) -> Option<Fault> {
        let number = self.calls;
        self.calls += 1;
        let queue = if name == "observe" { &mut self.faults.reads } else { &mut self.faults.changes };
        let fault = self.faults.at.remove(&number).or_else(|| queue.pop_front());
        self.journal.push(Event::Call(Call { number, at, resource: resource.clone(), name, fault }));
        fault
    }

    fn check_exists(&self, resource: &ResourceName) -> Result<(), ProviderError> {
        let missing = || ProviderError::Missing { what: format!("the list {resource}") };
        if self.missing.contains(resource) { Err(missing()) } else { Ok(()) }
    }

    /// As EC2 counts: IPv4 and IPv6 for themselves, and what is too much is refused whole.
    fn is_too_many(&self, resource: &ResourceName, rules: &[SeenRule], wanted: &[SeenRule]) -> bool {
        let Some(quota) = self.faults.quotas.get(resource) else { return false };
        let of_v4 = |rules: &[SeenRule]| rules.iter().filter(|rule| rule.source.addr().is_ipv4()).count();
        let (v4, new_v4) = (of_v4(rules), of_v4(wanted));
        let (v6, new_v6) = (rules.len() - v4, wanted.len() - new_v4);
        (new_v4 > 0 && v4 + new_v4 > *quota) || (new_v6 > 0 && v6 + new_v6 > *quota)
    }

    fn perform(&mut self, at: Timestamp, resource: &ResourceName, request: Request, by: Hand) -> Result<(), ProviderError> {
        self.check_exists(resource)?;
        let rules = self.rules(resource);
        let changed = |before, after| Change { at, resource: resource.clone(), by, before, after };
        match request {
            Request::Add(wanted) => {
                // As EC2 does: one duplicate fails the whole call.
                let there = |new: &SeenRule| rules.iter().any(|rule| rule.source == new.source && rule.part == new.part);
                if wanted.iter().any(there) {
                    return Err(ProviderError::Duplicate);
                }
                if self.is_too_many(resource, &rules, &wanted) {
                    return Fault::QuotaReached.answer();
                }
                for rule in wanted {
                    let id = self.next_id();
                    self.edit(changed(None, Some(SeenRule { id, ..rule })));
                }
            }
            Request::Mark(ends) => {
                for (before, until) in rules
                    .iter()
                    .flat_map(|rule| ends.iter().filter(|(id, _)| *id == rule.id).map(move |(_, until)| (rule, until)))
                {
                    let mut after = before.clone();
                    if let Some(mark) = &mut after.mark {
                        mark.expires_at = Some(*until);
                        self.edit(changed(Some(before.clone()), Some(after)));
                    }
                }
            }
            Request::Remove(ids) => {
                for rule in rules.into_iter().filter(|rule| ids.contains(&rule.id)) {
                    self.edit(changed(Some(rule), None));
                }
            }
        }
        Ok(())
    }
}

impl List {
    fn as_of(&self, at: Timestamp) -> Vec<SeenRule> {
        self.past.iter().rfind(|(since, _)| *since <= at).map(|(_, rules)| rules.clone()).unwrap_or_default()
    }
}
