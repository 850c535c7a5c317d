//! What a replica did without the database: kept until the database is back, and then written to its audit log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::{Reconciler, measure};
use super::close::{ClosedRule, Looked};
use crate::domain::{Actor, AuditAction, AuditEvent, ProviderRuleId, ResourceName, Timestamp};
use crate::store::StoreError;

/// Rules that are kept word for word; the log has all, and the rest is counted.
const KEPT: usize = 10_000;
/// Rules in one entry of the audit log.
const IN_ONE_ENTRY: usize = 100;

/// What was done since the database failed.
#[derive(Debug)]
pub(super) struct Outage {
    pub(super) since: Timestamp,
    pub(super) why: String,
    closed: Vec<ClosedRule>,
    // How many were closed and are not among them.
    more: usize,
    // Told to go, and not seen gone yet.
    told: BTreeMap<ResourceName, Vec<ClosedRule>>,
    unmarked: BTreeSet<ProviderRuleId>,
}

impl Outage {
    pub(super) fn new(since: Timestamp, why: String) -> Self {
        let (closed, told, unmarked) = Default::default();
        Self { since, why, closed, more: 0, told, unmarked }
    }

    /// Notes what came of one resource. A rule counts as closed once a read does not show it any more.
    pub(super) fn note(&mut self, resource: &ResourceName, looked: &mut Looked) {
        let told = self.told.entry(resource.clone()).or_default();
        for rule in looked.told.drain(..) {
            if told.iter().all(|before| before.rule != rule.rule) {
                told.push(rule);
            }
        }
        let Some(seen) = &looked.seen else { return };
        let is_there = |closed: &ClosedRule| seen.iter().any(|rule| rule.id == closed.rule);
        let (still_there, gone): (Vec<_>, Vec<_>) = std::mem::take(told).into_iter().partition(is_there);
        *told = still_there;
        for closed in gone {
            let ClosedRule { rule, source, tagged_until, .. } = &closed;
            tracing::warn!(%resource, %rule, %source, %tagged_until, "removed a rule whose time was over, without the database");
            measure::closed_offline();
            if self.closed.len() < KEPT { self.closed.push(closed) } else { self.more += 1 }
        }
    }

    /// Whether it is news that this rule of ours bears no tag any more.
    pub(super) fn is_news(&mut self, rule: &ProviderRuleId) -> bool {
        self.unmarked.insert(rule.clone())
    }

    /// How many rules were closed.
    pub(super) fn closed(&self) -> usize {
        self.closed.len() + self.more
    }

    fn by_resource(&self) -> BTreeMap<&ResourceName, (Vec<&ClosedRule>, Vec<&ClosedRule>)> {
        let mut all = BTreeMap::<_, (Vec<_>, Vec<_>)>::new();
        for closed in &self.closed {
            all.entry(&closed.resource).or_default().0.push(closed);
        }
        for closed in self.told.values().flatten() {
            all.entry(&closed.resource).or_default().1.push(closed);
        }
        all
    }
}

impl Reconciler {
    /// Writes down what was closed without the database, ends what ran out meanwhile, and sweeps the resources on which something was
    /// closed: a rule that is still wanted is added again at once.
    pub(super) async fn report(&self, outage: &Outage) -> Result<(), StoreError> {
        let resources = outage.by_resource();
        if resources.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        for (resource, (closed, told)) in &resources {
            for (rules, gone) in [(closed, true), (told, false)] {
                for rules in rules.chunks(IN_ONE_ENTRY) {
                    let event = event(outage, resource, rules, gone, tx.now());
                    tx.record(&event, self.random.as_ref()).await?;
                }
            }
        }
        tx.commit().await?;
        self.expire_overdue().await?;
        for resource in resources.into_keys() {
            self.sweep_resource(resource.clone(), false).await?;
        }
        self.nudges.wake();
        Ok(())
    }
}

fn event(outage: &Outage, resource: &ResourceName, rules: &[&ClosedRule], gone: bool, at: Timestamp) -> AuditEvent {
    let rule = |closed: &&ClosedRule| {
        json!({
            "providerRule": closed.rule.as_str(), "source": closed.source.to_string(), "taggedUntil": closed.tagged_until.to_string(),
            "removedAt": closed.told_at.to_string(), "openings": closed.openings.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        })
    };
    let details = json!({
        "resource": resource.as_str(),
        "reason": format!("the database failed, and the tags on these rules said that their time was over: {}", outage.why),
        "databaseFailedSince": outage.since.to_string(), "seenGone": gone, "notListed": outage.more,
        "rules": rules.iter().map(rule).collect::<Vec<_>>(),
    });
    AuditEvent { at, actor: Actor::System, action: AuditAction::RulesClosedOffline, session: None, details }
}
