//! A cloud in memory, with faults on order: what the engine's own tests run against.
//!
//! It is no part of the process under test: it outlives a crash, does late what was asked of it before one, and people edit its
//! lists behind our back. It goes by the clock that it is given, and keeps a journal of all that happened.

mod allowlist;
mod fault;
mod journal;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use super::{ProviderError, SeenRule};
use crate::clock::Clock;
use crate::domain::{DeploymentId, ProviderRuleId, ResourceName, RulePart, Span, Timestamp};

pub use allowlist::SimulatedAllowlist;
pub use fault::Fault;
pub use journal::{Call, Change, Event, Hand};
use state::{Request, State};

/// A cloud with any number of allowlists.
pub struct SimCloud {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl SimCloud {
    /// A cloud without a rule. The seed decides what no cloud promises: the order in which it shows rules.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::new(State::seeded(seed)) })
    }

    /// The door to one list, as `owner` uses it. Each process has its own, and the list is the same.
    pub fn allowlist(self: &Arc<Self>, name: ResourceName, owner: DeploymentId, parts: &[&str]) -> SimulatedAllowlist {
        SimulatedAllowlist::on(Arc::clone(self), name, owner, parts)
    }

    /// What is on a list, whatever its reads show.
    pub fn rules(&self, resource: &ResourceName) -> Vec<SeenRule> {
        self.state().rules(resource)
    }

    /// All that happened.
    pub fn journal(&self) -> Vec<Event> {
        self.state().journal.clone()
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        let call = |event: &Event| if let Event::Call(call) = event { Some(call.clone()) } else { None };
        self.state().journal.iter().filter_map(call).collect()
    }

    /// What became of rules so far.
    pub fn changes(&self) -> Vec<Change> {
        let change = |event: &Event| if let Event::Change(change) = event { Some(change.as_ref().clone()) } else { None };
        self.state().journal.iter().filter_map(change).collect()
    }

    /// When the last of the calls will be done that were answered with an error and are done later.
    pub fn last_late(&self) -> Option<Timestamp> {
        self.state().last_late()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up(self.clock.now());
        state
    }

    fn change(&self, resource: &ResourceName, request: Request) -> Result<(), ProviderError> {
        self.state().change(self.clock.now(), resource, request)
    }

    fn read(&self, resource: &ResourceName) -> Result<Vec<SeenRule>, ProviderError> {
        self.state().read(self.clock.now(), resource)
    }
}

/// What goes wrong, on order.
impl SimCloud {
    /// With the call of this number, counted from 0 over all lists.
    pub fn fault_at(&self, call: usize, fault: Fault) {
        self.state().faults.at.insert(call, fault);
    }

    /// With the next change that is asked for, after those that were ordered before.
    pub fn fault_next_change(&self, fault: Fault) {
        self.state().faults.changes.push_back(fault);
    }

    /// With the next read, after those that were ordered before.
    pub fn fault_next_read(&self, fault: Fault) {
        self.state().faults.reads.push_back(fault);
    }

    /// From now on, reads show what was there so long ago.
    pub fn lag(&self, lag: Span) {
        self.state().faults.lag = Some(lag);
    }

    /// From now on, a list holds so many rules of each address family, and refuses what does not fit.
    pub fn quota(&self, resource: &ResourceName, rules: usize) {
        self.state().faults.quotas.insert(resource.clone(), rules);
    }

    /// From now on, every change of a list is refused so; nothing lets them pass again.
    pub fn refuse_all(&self, resource: &ResourceName, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => drop(state.faults.always.insert(resource.clone(), fault)),
            None => drop(state.faults.always.remove(resource)),
        }
    }

    /// Ends all faults. What was put off is still done later.
    pub fn heal(&self) {
        self.state().faults = state::Faults::default();
    }
}

/// What somebody does behind our back.
impl SimCloud {
    /// Makes a rule without a mark.
    pub fn add_by_hand(&self, resource: &ResourceName, source: IpNet, part: &str) {
        let mut state = self.state();
        let id = state.next_id();
        let rule = SeenRule { id, source, part: RulePart(part.to_owned()), mark: None };
        state.edit(self.by_hand(resource, None, Some(rule)));
    }

    /// Removes a rule.
    pub fn delete_by_hand(&self, resource: &ResourceName, id: &ProviderRuleId) {
        self.edit_by_hand(resource, id, |_| None);
    }

    /// Lets a rule let in others as well, and leaves its mark as it is.
    pub fn widen_by_hand(&self, resource: &ResourceName, id: &ProviderRuleId, source: IpNet) {
        self.edit_by_hand(resource, id, |rule| Some(SeenRule { source, ..rule }));
    }

    /// Puts a rule back that is gone, mark and all, as a tool does that goes by an old list. It gets another id.
    pub fn restore_by_hand(&self, resource: &ResourceName, rule: &SeenRule) {
        let mut state = self.state();
        let id = state.next_id();
        state.edit(self.by_hand(resource, None, Some(SeenRule { id, ..rule.clone() })));
    }

    /// Deletes a list with all that is on it: each call is answered that it does not exist.
    pub fn delete_list(&self, resource: &ResourceName) {
        self.rules(resource).iter().for_each(|rule| self.delete_by_hand(resource, &rule.id));
        self.state().missing.insert(resource.clone());
    }

    /// Makes a deleted list again, empty.
    pub fn make_list(&self, resource: &ResourceName) {
        self.state().missing.remove(resource);
    }

    /// Takes a rule's mark away.
    pub fn strip_by_hand(&self, resource: &ResourceName, id: &ProviderRuleId) {
        self.edit_by_hand(resource, id, |rule| Some(SeenRule { mark: None, ..rule }));
    }

    fn edit_by_hand(&self, resource: &ResourceName, id: &ProviderRuleId, edit: impl FnOnce(SeenRule) -> Option<SeenRule>) {
        let mut state = self.state();
        if let Some(before) = state.rules(resource).into_iter().find(|rule| rule.id == *id) {
            let after = edit(before.clone());
            state.edit(self.by_hand(resource, Some(before), after));
        }
    }

    fn by_hand(&self, resource: &ResourceName, before: Option<SeenRule>, after: Option<SeenRule>) -> Change {
        Change { at: self.clock.now(), resource: resource.clone(), by: Hand::Somebody, before, after }
    }
}

impl std::fmt::Debug for SimCloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.journal.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}
