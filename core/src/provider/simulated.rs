//! An allowlist in memory, with faults on order: what the engine's own tests run against.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ipnet::IpNet;

use super::{Addition, Allowlist, Health, Mark, ProviderError, Remark, Removal, SeenRule};
use crate::domain::{DeploymentId, ProviderRuleId, RulePart};

/// A provider that keeps its rules in memory.
#[derive(Debug)]
pub struct SimulatedAllowlist {
    owner: DeploymentId,
    parts: Vec<RulePart>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<SeenRule>,
    made: u64,
    calls: Vec<&'static str>,
    lose_answers: u32,
    refuse: u32,
}

impl SimulatedAllowlist {
    /// An empty allowlist.
    pub fn new(owner: DeploymentId, parts: &[&str]) -> Self {
        let parts = parts.iter().map(|part| RulePart((*part).to_owned())).collect();
        Self { owner, parts, state: Mutex::default() }
    }

    /// What is on it.
    pub fn rules(&self) -> Vec<SeenRule> {
        self.state().rules.clone()
    }

    /// The calls so far, by name.
    pub fn calls(&self) -> Vec<&'static str> {
        self.state().calls.clone()
    }

    /// A rule that somebody made by hand.
    pub fn add_by_hand(&self, source: IpNet, part: &str) {
        let id = self.state().next_id();
        self.state().rules.push(SeenRule { id, source, part: RulePart(part.to_owned()), mark: None });
    }

    /// Removes everything, as somebody with a broad hand would.
    pub fn wipe_by_hand(&self) {
        self.state().rules.clear();
    }

    /// Does the next `count` changes, but loses the answers.
    pub fn lose_answers(&self, count: u32) {
        self.state().lose_answers = count;
    }

    /// Refuses the next `count` changes.
    pub fn refuse(&self, count: u32) {
        self.state().refuse = count;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(
        &self,
        name: &'static str,
        change: impl FnOnce(&mut State) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        let mut state = self.state();
        state.calls.push(name);
        if state.refuse > 0 {
            state.refuse -= 1;
            return Err(ProviderError::Throttled { provider: "simulation", code: "RequestLimitExceeded".into() });
        }
        change(&mut state)?;
        if state.lose_answers > 0 {
            state.lose_answers -= 1;
            return Err(ProviderError::Unreachable { provider: "simulation", reason: "the answer was lost".into() });
        }
        Ok(())
    }
}

impl State {
    fn next_id(&mut self) -> ProviderRuleId {
        self.made += 1;
        ProviderRuleId::from_stored(format!("sim-{}", self.made))
    }
}

#[async_trait]
impl Allowlist for SimulatedAllowlist {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        self.state().calls.push("observe");
        Ok(self.rules())
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        self.change("add", |state| {
            let wanted = additions.iter().flat_map(|addition| addition.parts.iter().map(move |part| (addition, part)));
            let wanted: Vec<_> = wanted.collect();
            // As EC2 does: one duplicate fails the whole call.
            let there =
                |a: &Addition, part: &RulePart| state.rules.iter().any(|rule| rule.is_for(a.address) && rule.part == *part);
            if wanted.iter().any(|(addition, part)| there(addition, part)) {
                return Err(ProviderError::Duplicate);
            }
            for (addition, part) in wanted {
                let mark = Mark {
                    owner: self.owner.clone(),
                    openings: vec![addition.opening.clone()],
                    expires_at: Some(addition.until),
                };
                let id = state.next_id();
                let source = IpNet::from(addition.address.ip());
                state.rules.push(SeenRule { id, source, part: part.clone(), mark: Some(mark) });
            }
            Ok(())
        })
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        self.change("mark_until", |state| {
            for remark in remarks {
                for rule in state.rules.iter_mut().filter(|rule| remark.rules.contains(&rule.id)) {
                    if let Some(mark) = &mut rule.mark {
                        mark.expires_at = Some(remark.until);
                    }
                }
            }
            Ok(())
        })
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        self.change("remove", |state| {
            let named: Vec<_> = removals.iter().flat_map(|removal| &removal.rules).collect();
            state.rules.retain(|rule| !named.contains(&&rule.id));
            Ok(())
        })
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        Ok(Health { summary: format!("{} rules", self.rules().len()), warnings: Vec::new() })
    }
}
