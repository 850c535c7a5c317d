//! Records what a sweep has found, under its lease's fence, and tells people of what has changed.

use serde_json::json;

use crate::crash_point;
use crate::domain::{Actor, AddressFamily, AuditAction, AuditEvent, Drift, DriftKind, OpeningId, ResourceName, Timestamp};
use crate::provider::SeenRule;
use crate::store::{LastSweep, Lease, StoreError, Tx};

use super::blocked::look;
use super::observed::{Finding, What};
use super::record::{lock_sessions, statuses_of};
use super::sweep::MOST_REMOVALS;
use super::{Reconciler, ResourceSweep, measure};

impl Reconciler {
    pub(super) async fn record_sweep(
        &self,
        lease: &Lease,
        swept: &ResourceSweep,
        read_at: Timestamp,
        dry_run: bool,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        if !tx.give_back(lease).await? {
            tracing::warn!(resource = %lease.resource, "the lease was lost during a sweep; its findings are dropped");
            return Ok(());
        }
        if !dry_run {
            let findings = self.findings_of_sweep(&mut tx, swept, read_at).await?;
            let sessions = lock_sessions(&mut tx, findings.iter().map(|finding| &finding.opening)).await?;
            let before = statuses_of(&mut tx, &sessions).await?;
            // Rules that could not be removed are found again, and told of then.
            if swept.error.is_none() {
                for rule in &swept.found.orphans {
                    self.record_surplus(&mut tx, &swept.resource, DriftKind::Orphan, rule).await?;
                }
                for rule in swept.found.widened_beside() {
                    self.record_surplus(&mut tx, &swept.resource, DriftKind::Widened, rule).await?;
                }
            }
            for opening in &swept.found.mismarked {
                if tx.is_still(&opening.id, opening.state).await? {
                    let now = tx.now();
                    tx.save_opening(opening, Some(now), now).await?;
                    self.note(&mut tx, DriftKind::Mismarked, Some(&opening.resource), opening.address.cidr()).await?;
                }
            }
            for finding in &findings {
                self.record_finding(&mut tx, finding, &sessions).await?;
            }
            self.record_statuses(&mut tx, &sessions, &before).await?;
            for id in &swept.found.aside_gone {
                self.close_aside(&mut tx, id).await?;
            }
            self.probe_what_changed(&mut tx, swept).await?;
            self.note_state(&mut tx, swept).await?;
        }
        if swept.error.is_none() {
            measure::swept(tx.now());
        }
        tx.commit().await?;
        crash_point!(SweepRecorded);
        Ok(())
    }

    /// What the sweep has seen of the openings that are taken for present, and which can be tried again at once.
    async fn findings_of_sweep(
        &self,
        tx: &mut Tx,
        swept: &ResourceSweep,
        read_at: Timestamp,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut findings = self.findings_on(tx, &swept.resource, &swept.looked, read_at).await?;
        let is_replaced = |id: &OpeningId| swept.found.replaced.iter().any(|(replaced, _)| replaced == id);
        findings.retain(|finding| !matches!(finding.what, What::Changed(_)) || is_replaced(&finding.opening));
        let last = tx.last_sweep(&swept.resource).await?.unwrap_or_default();
        findings.extend(self.unmarked_for_two_sweeps(tx, swept, &last, &findings, read_at).await?);
        if let (Some(error), None) = (&last.error, &swept.error) {
            let kept_out = tx.openings_kept_out(&swept.resource, error).await?;
            findings.extend(kept_out.into_iter().map(|opening| Finding::read_again(opening.id, read_at)));
        }
        Ok(findings)
    }

    /// Openings with rules that had no tags at the sweep before, either. One read is no proof, because tags may show later than their
    /// rule. Without tags a rule cannot be extended, nor closed while the database fails, so it is replaced.
    async fn unmarked_for_two_sweeps(
        &self,
        tx: &mut Tx,
        swept: &ResourceSweep,
        last: &LastSweep,
        others: &[Finding],
        read_at: Timestamp,
    ) -> Result<Vec<Finding>, StoreError> {
        let unmarked: Vec<_> = swept.found.unmarked.iter().filter(|rule| last.unmarked.contains(&rule.id)).collect();
        if unmarked.is_empty() {
            return Ok(Vec::new());
        }
        let present = tx.present_openings(&swept.resource).await?.into_iter().map(|present| present.opening);
        let found = present.filter(|opening| others.iter().all(|other| other.opening != opening.id)).filter_map(|opening| {
            let of_it = unmarked.iter().filter(|rule| opening.our_rules().any(|held| held.id == rule.id));
            let rules: Vec<_> = of_it.map(|rule| (*rule).clone()).collect();
            (!rules.is_empty()).then(|| Finding::unmarked(opening.id, rules, read_at))
        });
        // A mistake of ours must not empty a firewall: the rest is for the next sweep.
        Ok(found.take(MOST_REMOVALS).collect())
    }

    /// Lets what waits for the resource be tried, where the sweep sees another list than the one that refused, or can read it again.
    async fn probe_what_changed(&self, tx: &mut Tx, swept: &ResourceSweep) -> Result<(), StoreError> {
        let last = tx.last_sweep(&swept.resource).await?.unwrap_or_default();
        if last.error.is_some() && swept.error.is_none() {
            tx.probe_now(&swept.resource).await?;
        }
        let gone = if swept.error.is_none() { swept.found.surplus().collect() } else { Vec::new() };
        for block in tx.blocks_on(&swept.resource).await? {
            let of_family = |rule: &&&SeenRule| rule.source.addr().is_ipv4() == (block.family == AddressFamily::V4);
            let removed = u32::try_from(gone.iter().filter(of_family).count()).unwrap_or(u32::MAX);
            look(tx, block, swept.listed, removed, u32::MAX).await?;
        }
        Ok(())
    }

    /// An opening whose row was set aside has no rule any more: nothing of it is left to close.
    async fn close_aside(&self, tx: &mut Tx, id: &OpeningId) -> Result<(), StoreError> {
        if tx.wish_for(id).await?.is_some() {
            return Ok(());
        }
        let sessions: Vec<_> = tx.rules_on(id).await?.into_iter().map(|rule| rule.session).collect();
        tx.opening_aside_is_gone(id).await?;
        for session in sessions {
            if tx.close_if_done(&session, tx.now()).await? {
                self.audit(tx, AuditAction::SessionClosed, &session, json!({}), tx.now()).await?;
            }
            tx.thread_changed(&session);
        }
        Ok(())
    }

    pub(super) async fn record_surplus(
        &self,
        tx: &mut Tx,
        resource: &ResourceName,
        kind: DriftKind,
        rule: &SeenRule,
    ) -> Result<(), StoreError> {
        self.audit_surplus(tx, resource, kind, rule).await?;
        self.note(tx, kind, Some(resource), format!("{} ({})", rule.source, rule.id)).await
    }

    pub(super) async fn audit_surplus(
        &self,
        tx: &mut Tx,
        resource: &ResourceName,
        kind: DriftKind,
        rule: &SeenRule,
    ) -> Result<(), StoreError> {
        tracing::warn!(%resource, rule = %rule.id, source = %rule.source, kind = kind.as_str(), "removed a rule of ours");
        let details = json!({
            "resource": resource.as_str(), "kind": kind.as_str(), "source": rule.source.to_string(), "providerRule": rule.id.as_str(),
        });
        let action = AuditAction::OrphanFound;
        tx.record(&AuditEvent { at: tx.now(), actor: Actor::System, action, session: None, details }, self.random.as_ref()).await
    }

    /// Writes down what people should be told of. What was found before and is as it was is no news.
    async fn note_state(&self, tx: &mut Tx, swept: &ResourceSweep) -> Result<(), StoreError> {
        let last = tx.last_sweep(&swept.resource).await?.unwrap_or_default();
        let name = Some(&swept.resource);
        match (&last.error, &swept.error) {
            (before, Some(error)) if before.as_ref() != Some(error) => {
                self.note(tx, DriftKind::Unread, name, error.clone()).await?;
            }
            (Some(_), None) => self.note(tx, DriftKind::ReadAgain, name, "it can be read again".into()).await?,
            _ => {}
        }
        for rule in swept.held_back.iter().filter(|rule| !last.held_back.contains(&rule.id)) {
            self.note(tx, DriftKind::HeldBack, name, format!("{} ({})", rule.source, rule.id)).await?;
        }
        for rule in swept.found.unmarked.iter().filter(|rule| !last.unmarked.contains(&rule.id)) {
            self.note(tx, DriftKind::Unmarked, name, format!("{} ({})", rule.source, rule.id)).await?;
        }
        let ids = |rules: &[SeenRule]| rules.iter().map(|rule| rule.id.clone()).collect();
        let now = LastSweep {
            at: Some(tx.now()),
            error: swept.error.clone(),
            held_back: ids(&swept.held_back),
            unmarked: ids(&swept.found.unmarked),
        };
        tx.save_sweep(&swept.resource, &now).await
    }

    pub(super) async fn note(
        &self,
        tx: &mut Tx,
        kind: DriftKind,
        resource: Option<&ResourceName>,
        what: String,
    ) -> Result<(), StoreError> {
        measure::drift(kind);
        tx.note_drift(&Drift { at: tx.now(), kind, resource: resource.cloned(), what }, self.random.as_ref()).await
    }
}
