//! Records what a sweep has found, under its lease's fence: what vanished is made anew, and people are told of what has changed.

use serde_json::json;

use crate::crash_point;
use crate::domain::{
    Actor, AddressFamily, AuditAction, AuditEvent, Drift, DriftKind, Opening, OpeningEvent, OpeningId, ResourceName, RuleEvent,
};
use crate::provider::SeenRule;
use crate::store::{LastSweep, Lease, StoreError, Tx};

use super::blocked::look;
use super::{Reconciler, ResourceSweep, measure};

impl Reconciler {
    pub(super) async fn record_sweep(&self, lease: &Lease, swept: &ResourceSweep, dry_run: bool) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        if !tx.give_back(lease).await? {
            tracing::warn!(resource = %lease.resource, "the lease was lost during a sweep; its findings are dropped");
            return Ok(());
        }
        if !dry_run {
            // Rules that could not be removed are found again, and told of then.
            if swept.error.is_none() {
                for (kind, rules) in [(DriftKind::Orphan, &swept.found.orphans), (DriftKind::Widened, &swept.found.widened)] {
                    for rule in rules {
                        self.record_surplus(&mut tx, &swept.resource, kind, rule).await?;
                    }
                }
            }
            for opening in &swept.found.missing {
                self.replace(&mut tx, opening).await?;
            }
            for opening in &swept.found.mismarked {
                if tx.is_still(&opening.id, opening.state).await? {
                    let now = tx.now();
                    tx.save_opening(opening, Some(now), now).await?;
                    self.note(&mut tx, DriftKind::Mismarked, Some(&opening.resource), opening.address.cidr()).await?;
                }
            }
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
            tx.thread_changed(&session, tx.now()).await?;
        }
        Ok(())
    }

    async fn record_surplus(
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
        tx.record(&AuditEvent { at: tx.now(), actor: Actor::System, action, session: None, details }, self.random.as_ref())
            .await?;
        self.note(tx, kind, Some(resource), format!("{} ({})", rule.source, rule.id)).await
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

    /// Makes a vanished opening anew: the old instance is done with for good, and what wanted it wants the new one. What is left of
    /// the old one goes first: it was made for that one, and would never count for another.
    async fn replace(&self, tx: &mut Tx, opening: &Opening) -> Result<(), StoreError> {
        let now = tx.now();
        let left = opening.our_rules().next().is_some();
        let (event, due) = if left { (OpeningEvent::Unwanted, Some(now)) } else { (OpeningEvent::SeenGone, None) };
        let Ok(done_with) = opening.state.after(event) else { return Ok(()) };
        // Somebody may have ended what wanted it since it was compared.
        if !tx.is_still(&opening.id, opening.state).await? {
            return Ok(());
        }
        tracing::warn!(resource = %opening.resource, address = %opening.address, "a wanted rule has vanished; it is made anew");
        tx.save_opening(&Opening { state: done_with, ..opening.clone() }, due, now).await?;
        let id = OpeningId::new(now, self.random.as_ref());
        let anew = Opening::wanted(id, opening.resource.clone(), opening.address);
        tx.insert_opening(&anew, now).await?;
        tx.take_place_of(&opening.id, &anew.id).await?;
        for mut rule in tx.rules_on(&opening.id).await? {
            rule.status = rule.status.after(RuleEvent::Lost);
            tx.set_rule(&rule, &anew.id, now).await?;
            let details = json!({ "resource": rule.resource.as_str(), "address": rule.address.to_string() });
            self.audit(tx, AuditAction::RuleLost, &rule.session, details, now).await?;
            tx.thread_changed(&rule.session, now).await?;
        }
        self.note(tx, DriftKind::Missing, Some(&opening.resource), opening.address.cidr()).await
    }
}
