//! The sweep: compares the rules that bear our mark with the desired state. Ours and not wanted: removed. Wanted and missing: in doubt,
//! and then added again ([`super::observed`]). Not ours: never touched. A list that could not be read to its end changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tracing::Instrument;

use crate::crash_point;
use crate::domain::{OpeningId, ProviderRuleId, ResourceName, Span, Timestamp};
use crate::provider::{Allowlist, CallLimits, SeenRule};
use crate::store::{LastSweep, StoreError};

use super::act::observe;
use super::blocked::Listed;
use super::by_tags::removal_of;
use super::compare::{Differences, compare};
use super::observed::Looked;
use super::purse::{Need, Purse, one_look, one_removal};
use super::{Hold, LEASE, Reconciler, hold, measure};

/// More removals than this on one resource are left for the next sweep to confirm: a mistake of ours must not empty a firewall.
pub(super) const MOST_REMOVALS: usize = 10;
/// How long apart a resource is asked for that a worker is busy with.
const BETWEEN_TRIES: Span = Span::from_millis(200);

/// How a sweep goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepPace {
    /// Resources swept at once.
    pub at_once: usize,
    /// How often a resource is asked for that a worker is busy with.
    pub tries: u32,
}

impl SweepPace {
    /// One resource after the other, without waiting: for tests that count steps.
    pub const STEP_BY_STEP: Self = Self { at_once: 1, tries: 1 };
}

impl Default for SweepPace {
    fn default() -> Self {
        // As long as a dead replica holds what it held.
        Self { at_once: 8, tries: 80 }
    }
}

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
    /// What differs from the desired state: corrected, unless it was a dry run.
    pub found: Differences,
    /// Rules that are to go, and that the next sweep removes if it finds them too: there are more than one sweep removes unasked.
    pub held_back: Vec<SeenRule>,
    /// Why it could not be swept.
    pub error: Option<String>,
    /// The list itself.
    pub(super) looked: Looked,
    /// How many rules it has, where they could be read.
    pub(super) listed: Option<Listed>,
}

impl ResourceSweep {
    fn of(resource: ResourceName) -> Self {
        Self { resource, found: Differences::default(), held_back: Vec::new(), error: None, looked: Looked::Unread, listed: None }
    }

    /// How many rules of ours that nobody wants were left in place.
    pub(super) fn left_behind(&self) -> usize {
        let not_removed = if self.error.is_some() { self.found.surplus().count() } else { 0 };
        self.held_back.len() + not_removed
    }
}

impl SweepReport {
    /// Whether every resource could be swept.
    pub fn is_complete(&self) -> bool {
        self.resources.iter().all(|resource| resource.error.is_none())
    }

    /// Whether it has seen anything at all: not where every provider was out of reach.
    pub fn has_seen(&self) -> bool {
        self.resources.is_empty() || self.resources.iter().any(|resource| resource.error.is_none())
    }
}

impl Reconciler {
    /// Sweeps every resource, a few at a time: a sweep must not take the calls that sessions need.
    pub async fn sweep(&self, dry_run: bool) -> Result<SweepReport, StoreError> {
        let names: Vec<_> = self.allowlists().keys().cloned().collect();
        let sweeps = stream::iter(names).map(|name| {
            let span = measure::sweep(&name);
            self.sweep_resource(name, dry_run).instrument(span)
        });
        let mut resources: Vec<_> = sweeps.buffer_unordered(self.sweep_pace.at_once).try_collect().await?;
        resources.sort_by(|a: &ResourceSweep, b| a.resource.cmp(&b.resource));
        let report = SweepReport { resources };
        if !dry_run {
            measure::left_behind(&report);
            self.nudges.reconcile.notify_one();
            self.nudges.sessions_changed();
        }
        Ok(report)
    }

    pub(super) async fn sweep_resource(&self, name: ResourceName, dry_run: bool) -> Result<ResourceSweep, StoreError> {
        let mut swept = ResourceSweep::of(name.clone());
        let Some(allowlist) = self.allowlists().get(&name).map(Arc::clone) else { return Ok(swept) };
        let Some((hold, read_at)) = self.lease_for_sweep(&name).await? else {
            swept.error = Some("a worker is busy with the resource; the next sweep looks at it".into());
            return Ok(swept);
        };
        let looking = async {
            let _turn = self.turn_on(&name).await;
            self.look_and_remove(&mut swept, &hold, allowlist.as_ref(), dry_run).await
        };
        let looked = self.while_held(&hold, looking).await;
        match looked {
            Some(looked) => looked?,
            None => swept.error = Some("the resource's lease was lost during the sweep; the next sweep looks at it".into()),
        }
        self.record_sweep(&hold.lease, &swept, read_at, dry_run).await?;
        self.pulse.sweep_goes_on();
        if !dry_run {
            // Those whose rules changed are told now, and not when the last resource was swept.
            self.nudges.reconcile.notify_one();
            self.nudges.sessions_changed();
        }
        Ok(swept)
    }

    async fn look_and_remove(
        &self,
        swept: &mut ResourceSweep,
        hold: &Hold,
        allowlist: &dyn Allowlist,
        dry_run: bool,
    ) -> Result<(), StoreError> {
        self.wait_for(allowlist.limits().map(|limits| vec![one_look(limits)])).await?;
        match observe(allowlist).await {
            Err(error) => (swept.error, swept.looked) = (Some(error.to_string()), Looked::of(&error)),
            Ok(seen) => {
                let (found, confirmed) = self.differences_on(&swept.resource, &seen).await?;
                (swept.found, swept.held_back) = hold_back(found, &confirmed);
                swept.listed = Some(Listed::of(&seen, allowlist));
                swept.looked = Looked::Seen(seen);
            }
        }
        crash_point!(SweepCompared);
        let removals: Vec<_> = swept.found.orphans.iter().chain(swept.found.widened_beside()).map(removal_of).collect();
        if !dry_run && !removals.is_empty() && hold.has_time() {
            self.wait_for(allowlist.limits().map(|limits: &CallLimits| one_removal(limits).to_vec())).await?;
            let removed = measure::call("remove", allowlist.remove(&removals)).await;
            swept.error = removed.err().map(|error| error.to_string());
        }
        crash_point!(SweepRemoved);
        Ok(())
    }

    /// The lease, and a time before anything is read.
    async fn lease_for_sweep(&self, name: &ResourceName) -> Result<Option<(Hold, Timestamp)>, StoreError> {
        for attempt in 1..=self.sweep_pace.tries {
            let began = hold::now();
            let mut tx = self.store.begin().await?;
            let (lease, now) = (tx.lease(name, &self.worker, LEASE).await?, tx.now());
            tx.commit().await?;
            if let Some(lease) = lease {
                return Ok(Some((Hold::new(lease, began), now)));
            }
            if attempt < self.sweep_pace.tries {
                tokio::time::sleep(BETWEEN_TRIES.as_duration()).await;
            }
        }
        Ok(None)
    }

    /// Waits until the provider lets us make these calls.
    async fn wait_for(&self, needs: Option<Vec<Need>>) -> Result<(), StoreError> {
        let Some(needs) = needs else { return Ok(()) };
        loop {
            let (mut tx, mut purse) = (self.store.begin().await?, Purse::default());
            match purse.take(&mut tx, &needs).await? {
                Ok(()) => {
                    purse.save(&mut tx).await?;
                    return tx.commit().await;
                }
                Err(wait) => {
                    drop(tx);
                    tokio::time::sleep(wait.as_duration()).await;
                }
            }
        }
    }

    /// What differs, and what the last sweep has left for this one to confirm.
    async fn differences_on(
        &self,
        name: &ResourceName,
        seen: &[SeenRule],
    ) -> Result<(Differences, BTreeSet<ProviderRuleId>), StoreError> {
        let mut tx = self.store.begin().await?;
        let wished = tx.wished_openings(name).await?;
        let mut found = compare(seen, &wished, &self.deployment);
        let found_aside = tx.openings_aside(name).await?;
        let is_there = |id: &OpeningId| seen.iter().any(|rule| rule.is_of(&self.deployment, id));
        found.aside_gone = found_aside.iter().filter(|id| !is_there(id)).cloned().collect();
        let mut orphans = Vec::new();
        for rule in found.orphans {
            let mut accounted_for = false;
            for opening in rule.mark.iter().flat_map(|mark| &mark.openings) {
                // One that was set aside is accounted for as long as somebody wants it.
                let aside = found_aside.contains(opening) && tx.wish_for(opening).await?.is_some();
                accounted_for |= aside || tx.is_alive_elsewhere(opening, name).await?;
            }
            if !accounted_for {
                orphans.push(rule);
            }
        }
        found.orphans = orphans;
        let LastSweep { held_back, .. } = tx.last_sweep(name).await?.unwrap_or_default();
        Ok((found, held_back))
    }
}

/// Leaves for the next sweep what this one would remove, where it is a lot and the last one has not found it too.
fn hold_back(mut found: Differences, confirmed: &BTreeSet<ProviderRuleId>) -> (Differences, Vec<SeenRule>) {
    if found.surplus().count() <= MOST_REMOVALS {
        return (found, Vec::new());
    }
    let is_confirmed = |rule: &SeenRule| confirmed.contains(&rule.id);
    let (orphans, held_orphans): (Vec<_>, Vec<_>) = found.orphans.into_iter().partition(is_confirmed);
    let (widened, held_widened): (Vec<_>, Vec<_>) = found.widened.into_iter().partition(is_confirmed);
    (found.orphans, found.widened) = (orphans, widened);
    found.replaced.retain(|(_, rules)| held_widened.iter().all(|held| !rules.contains(&held.id)));
    (found, [held_orphans, held_widened].concat())
}
