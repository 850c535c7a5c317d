//! The sweep: compares what bears our mark in the clouds with what is wanted. Ours and not wanted goes; wanted and missing is made
//! anew; what is not ours is never touched.

use std::collections::BTreeSet;

use serde_json::json;

use crate::crash_point;
use crate::domain::{
    Actor, AuditAction, AuditEvent, DeploymentId, Opening, OpeningEvent, OpeningId, OpeningState, ResourceName, RuleEvent, Span,
};
use crate::provider::{Allowlist, ProviderError, SeenRule};
use crate::store::{Lease, StoreError, Tx};

use super::Reconciler;
use super::overdue::removal_of;
use super::pass::LEASE;
use super::plan::WishedOpening;

/// A cloud may not show a rule yet that it has just made; one that it showed for so long and shows no more has vanished.
const GRACE: Span = Span::from_seconds(60);

/// What a sweep found on all resources.
#[derive(Debug, Default)]
pub struct SweepReport {
    /// What it found on each.
    pub resources: Vec<ResourceSweep>,
}

/// What a sweep found on one resource.
#[derive(Debug)]
pub struct ResourceSweep {
    /// Which.
    pub resource: ResourceName,
    /// Rules with our mark that nobody wants: removed, unless it was a dry run.
    pub orphans: Vec<SeenRule>,
    /// Wanted rules that have vanished: made anew, unless it was a dry run.
    pub missing: Vec<Opening>,
    /// Why it could not be swept.
    pub error: Option<String>,
}

impl SweepReport {
    /// Whether every resource could be swept.
    pub fn is_complete(&self) -> bool {
        self.resources.iter().all(|resource| resource.error.is_none())
    }
}

impl Reconciler {
    /// Sweeps every resource, one after the other: a sweep must not take the calls that sessions need.
    pub async fn sweep(&self, dry_run: bool) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        for (name, allowlist) in self.allowlists.iter() {
            report.resources.push(self.sweep_resource(name, allowlist.as_ref(), dry_run).await?);
        }
        if !dry_run {
            self.nudges.reconcile.notify_one();
        }
        Ok(report)
    }

    async fn sweep_resource(
        &self,
        name: &ResourceName,
        allowlist: &dyn Allowlist,
        dry_run: bool,
    ) -> Result<ResourceSweep, StoreError> {
        let mut found = ResourceSweep { resource: name.clone(), orphans: Vec::new(), missing: Vec::new(), error: None };
        let Some(lease) = self.lease_for_sweep(name).await? else {
            found.error = Some("a worker is busy with the resource; the next sweep looks at it".into());
            return Ok(found);
        };
        let looked = tokio::select! {
            looked = self.look_and_remove(&mut found, allowlist, dry_run) => looked,
            () = self.renew(&lease) => Ok(()),
        };
        looked?;
        self.record_sweep(&lease, &found, dry_run).await?;
        Ok(found)
    }

    async fn look_and_remove(
        &self,
        found: &mut ResourceSweep,
        allowlist: &dyn Allowlist,
        dry_run: bool,
    ) -> Result<(), StoreError> {
        match self.drift_on(&found.resource, allowlist).await? {
            Err(error) => found.error = Some(error.to_string()),
            Ok((orphans, missing)) => (found.orphans, found.missing) = (orphans, missing),
        }
        crash_point!(SweepCompared);
        if !dry_run && let Err(error) = remove_orphans(&found.orphans, allowlist).await {
            found.error = Some(error.to_string());
        }
        crash_point!(SweepRemoved);
        Ok(())
    }

    async fn lease_for_sweep(&self, name: &ResourceName) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.store.begin().await?;
        let lease = tx.lease(name, &self.worker, self.clock.now(), LEASE).await?;
        tx.commit().await?;
        Ok(lease)
    }

    async fn drift_on(
        &self,
        name: &ResourceName,
        allowlist: &dyn Allowlist,
    ) -> Result<Result<(Vec<SeenRule>, Vec<Opening>), ProviderError>, StoreError> {
        let seen = match allowlist.observe().await {
            Ok(seen) => seen,
            Err(error) => return Ok(Err(error)),
        };
        let mut tx = self.store.begin().await?;
        let wished = tx.wished_openings(name).await?;
        let mut settled = BTreeSet::new();
        for WishedOpening { opening, .. } in &wished {
            if tx.present_since(&opening.id).await?.is_some_and(|since| self.clock.now().since(since) >= GRACE) {
                settled.insert(opening.id.clone());
            }
        }
        let mut orphans = Vec::new();
        for rule in seen.iter().filter(|rule| is_orphan(rule, &wished, &self.deployment)) {
            let mut another_resources = false;
            for opening in rule.mark.iter().flat_map(|mark| &mark.openings) {
                another_resources |= tx.is_alive_elsewhere(opening, name).await?;
            }
            if !another_resources {
                orphans.push(rule.clone());
            }
        }
        let missing = wished.iter().filter(|wished| settled.contains(&wished.opening.id) && has_vanished(wished, &seen));
        Ok(Ok((orphans, missing.map(|wished| wished.opening.clone()).collect())))
    }

    async fn record_sweep(&self, lease: &Lease, found: &ResourceSweep, dry_run: bool) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        if !tx.give_back(lease).await? {
            tracing::warn!(resource = %lease.resource, "the lease was lost during a sweep; its findings are dropped");
            return Ok(());
        }
        if !dry_run {
            for orphan in found.orphans.iter().filter(|_| found.error.is_none()) {
                self.record_orphan(&mut tx, &found.resource, orphan).await?;
            }
            for opening in &found.missing {
                self.replace(&mut tx, opening).await?;
            }
        }
        tx.commit().await?;
        crash_point!(SweepRecorded);
        Ok(())
    }

    async fn record_orphan(&self, tx: &mut Tx, resource: &ResourceName, orphan: &SeenRule) -> Result<(), StoreError> {
        tracing::warn!(%resource, rule = %orphan.id, source = %orphan.source, "removed a rule of ours that nobody wants");
        let details =
            json!({ "resource": resource.as_str(), "source": orphan.source.to_string(), "providerRule": orphan.id.as_str() });
        let (at, action) = (self.clock.now(), AuditAction::OrphanFound);
        let event = AuditEvent { at, actor: Actor::System, action, session: None, details };
        tx.record(&event, self.random.as_ref()).await
    }

    /// Makes a vanished opening anew: the old instance is gone for good, and what wanted it wants the new one.
    async fn replace(&self, tx: &mut Tx, opening: &Opening) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Ok(gone) = opening.state.after(OpeningEvent::SeenGone) else { return Ok(()) };
        tracing::warn!(resource = %opening.resource, address = %opening.address, "a wanted rule has vanished; it is made anew");
        tx.save_opening(&Opening { state: gone, ..opening.clone() }, None, now).await?;
        let anew = Opening {
            id: OpeningId::new(now, self.random.as_ref()),
            state: OpeningState::Adding,
            rules: Vec::new(),
            marked_until: None,
            attempts: 0,
            error: None,
            ..opening.clone()
        };
        tx.insert_opening(&anew, now).await?;
        for mut rule in tx.rules_on(&opening.id).await? {
            rule.status = rule.status.after(RuleEvent::Lost);
            tx.set_rule(&rule, &anew.id, now).await?;
            let details = json!({ "resource": rule.resource.as_str(), "address": rule.address.to_string() });
            self.audit(tx, AuditAction::RuleLost, &rule.session, details, now).await?;
            tx.thread_changed(&rule.session, now).await?;
        }
        Ok(())
    }
}

/// Ours, and no opening accounts for it as it stands: nobody knows it, it was widened by hand, or its opening is long gone.
fn is_orphan(rule: &SeenRule, wished: &[WishedOpening], owner: &DeploymentId) -> bool {
    let accounted_for = wished.iter().any(|WishedOpening { opening, .. }| {
        let made_for_it = rule.is_of(owner, &opening.id) || opening.our_rules().any(|held| held.id == rule.id);
        made_for_it && rule.is_for(opening.address)
    });
    rule.is_owned_by(owner) && !accounted_for
}

/// Wanted and taken for present, but one of its rules is there no more.
fn has_vanished(wished: &WishedOpening, seen: &[SeenRule]) -> bool {
    let opening = &wished.opening;
    let there = |id| seen.iter().any(|rule| rule.id == id && rule.is_for(opening.address));
    opening.state == OpeningState::Present && wished.wish.is_some() && !opening.rules.iter().all(|held| there(held.id.clone()))
}

async fn remove_orphans(orphans: &[SeenRule], allowlist: &dyn Allowlist) -> Result<(), ProviderError> {
    if orphans.is_empty() {
        return Ok(());
    }
    allowlist.remove(&orphans.iter().map(removal_of).collect::<Vec<_>>()).await
}
