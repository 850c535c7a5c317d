//! The door to one list of the simulated cloud.

use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;

use super::{Fault, ProviderError, Request, SeenRule, SimCloud};
use crate::clock::ManualClock;
use crate::domain::{DeploymentId, ProviderRuleId, ResourceName, RulePart, Timestamp};
use crate::provider::{Addition, Allowlist, Health, Mark, Remark, Removal};

/// One list of a simulated cloud.
#[derive(Debug)]
pub struct SimulatedAllowlist {
    cloud: Arc<SimCloud>,
    name: ResourceName,
    owner: DeploymentId,
    parts: Vec<RulePart>,
}

impl SimulatedAllowlist {
    /// An empty list in a cloud of its own, whose clock stands still.
    pub fn new(owner: DeploymentId, parts: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        Self::on(SimCloud::new(clock, 0), the_only(), owner, parts)
    }

    pub(super) fn on(cloud: Arc<SimCloud>, name: ResourceName, owner: DeploymentId, parts: &[&str]) -> Self {
        let parts = parts.iter().map(|part| RulePart((*part).to_owned())).collect();
        Self { cloud, name, owner, parts }
    }

    /// What is on it.
    pub fn rules(&self) -> Vec<SeenRule> {
        self.cloud.rules(&self.name)
    }

    /// The calls so far, by name.
    pub fn calls(&self) -> Vec<&'static str> {
        self.cloud.calls().into_iter().filter(|call| call.resource == self.name).map(|call| call.name).collect()
    }

    /// A rule that somebody made by hand.
    pub fn add_by_hand(&self, source: IpNet, part: &str) {
        self.cloud.add_by_hand(&self.name, source, part);
    }

    /// Removes everything, as somebody with a broad hand would.
    pub fn wipe_by_hand(&self) {
        self.rules().iter().for_each(|rule| self.cloud.delete_by_hand(&self.name, &rule.id));
    }

    /// Does the next `count` changes, but loses the answers.
    pub fn lose_answers(&self, count: u32) {
        (0..count).for_each(|_| self.cloud.fault_next_change(Fault::AnswerLost));
    }

    /// Refuses the next `count` changes.
    pub fn refuse(&self, count: u32) {
        (0..count).for_each(|_| self.cloud.fault_next_change(Fault::Throttled));
    }

    fn rules_of(&self, addition: &Addition) -> impl Iterator<Item = SeenRule> {
        let Addition { opening, address, until, .. } = addition;
        let (owner, openings, expires_at) = (self.owner.clone(), vec![opening.clone()], Some(*until));
        let mark = Some(Mark { owner, openings, expires_at });
        let (id, source) = (ProviderRuleId::from_stored(""), IpNet::from(address.ip()));
        addition.parts.iter().map(move |part| SeenRule { id: id.clone(), source, part: part.clone(), mark: mark.clone() })
    }
}

#[expect(clippy::expect_used, reason = "the name is a good one")]
fn the_only() -> ResourceName {
    ResourceName::new("simulation").expect("a resource may be called so")
}

#[async_trait]
impl Allowlist for SimulatedAllowlist {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        self.cloud.read(&self.name)
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        let rules = additions.iter().flat_map(|addition| self.rules_of(addition)).collect();
        self.cloud.change(&self.name, Request::Add(rules))
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        let ends = remarks.iter().flat_map(|remark| remark.rules.iter().map(|id| (id.clone(), remark.until)));
        self.cloud.change(&self.name, Request::Mark(ends.collect()))
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        let ids = removals.iter().flat_map(|removal| removal.rules.iter().cloned()).collect();
        self.cloud.change(&self.name, Request::Remove(ids))
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        Ok(Health { summary: format!("{} rules", self.rules().len()), warnings: Vec::new() })
    }
}
