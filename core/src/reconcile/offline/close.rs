//! One resource without the database: reads it, and removes what is overdue by its tag or was stopped, by the provider's rule id.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use super::super::act::observe;
use super::super::by_tags::removal_of;
use super::super::purse::{Need, one_look, one_removal, urgent_look};
use super::super::{Reconciler, measure};
use super::agenda::Next;
use super::memory::Remembered;
use super::pace::Pace;
use crate::domain::{OpeningId, ProviderRuleId, ResourceName, Span, Timestamp};
use crate::provider::{Allowlist, CallLimits, ProviderError, Removal, SeenRule};

/// How long one call may take. What is not answered by then is tried again.
const LONGEST_CALL: Duration = Duration::from_secs(20);

/// A rule that was told to go because its tag was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClosedRule {
    pub(super) resource: ResourceName,
    pub(super) rule: ProviderRuleId,
    pub(super) source: IpNet,
    pub(super) openings: Vec<OpeningId>,
    pub(super) tagged_until: Timestamp,
    pub(super) told_at: Timestamp,
}

/// What came of one resource.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// What the newest read showed; nothing where it failed.
    pub(super) seen: Option<Vec<SeenRule>>,
    /// What was told to go.
    pub(super) told: Vec<ClosedRule>,
    /// What went wrong.
    pub(super) error: Option<ProviderError>,
}

impl Reconciler {
    /// Reads a resource, and removes what has been overdue for `margin`.
    pub(super) async fn close_without_database(&self, next: &Next, margin: Span, pace: &Mutex<Pace>) -> Looked {
        let mut looked = Looked::default();
        let Some(allowlist) = self.allowlists().get(&next.resource).cloned() else { return looked };
        let _turn = self.turn_on(&next.resource).await;
        let closed = self.look_and_close(next, allowlist.as_ref(), margin, pace, &mut looked).await;
        if let (Err(ProviderError::Throttled { .. }), Some(limits)) = (&closed, allowlist.limits()) {
            pace.lock().unwrap_or_else(PoisonError::into_inner).throttled(limits);
        }
        looked.error = closed.err();
        looked
    }

    async fn look_and_close(
        &self,
        next: &Next,
        allowlist: &dyn Allowlist,
        margin: Span,
        pace: &Mutex<Pace>,
        looked: &mut Looked,
    ) -> Result<(), ProviderError> {
        let look = |limits: &CallLimits| if next.is_overdue { urgent_look(limits) } else { one_look(limits) };
        self.wait_for_calls(allowlist.limits().map(|limits| vec![look(limits)]), pace).await;
        let first = read(allowlist).await?;
        let overdue = self.overdue_on(&next.resource, &first, margin);
        looked.seen = Some(first);
        if overdue.is_empty() {
            return Ok(());
        }
        let removal = |limits: &CallLimits| [vec![urgent_look(limits)], one_removal(limits).to_vec()].concat();
        self.wait_for_calls(allowlist.limits().map(removal), pace).await;
        // Right before the removal, for a tag may have moved meanwhile: only what both reads show is removed.
        let fresh = read(allowlist).await?;
        let mut both = self.overdue_on(&next.resource, &fresh, margin);
        both.retain(|(rule, _)| overdue.iter().any(|(before, _)| before.id == rule.id));
        looked.seen = Some(fresh);
        if both.is_empty() {
            return Ok(());
        }
        let told_at = self.store.now_without_database();
        looked.told = both.iter().map(|(rule, until)| closed(&next.resource, rule, *until, told_at)).collect();
        looked.seen = None;
        let removals: Vec<_> = both.iter().map(|(rule, _)| removal_of(rule)).collect();
        let removed = remove(allowlist, &removals).await;
        looked.seen = Some(read(allowlist).await?);
        removed
    }

    /// The rules of this deployment that are to go: those whose tag has been over for `margin`, unless a later end was accepted that the
    /// tag does not say; and those of an accepted stop. A rule without an expiry is none of them.
    pub(super) fn overdue_on(&self, resource: &ResourceName, seen: &[SeenRule], margin: Span) -> Vec<(SeenRule, Timestamp)> {
        let latest = self.store.now_without_database().minus(margin);
        let ours = seen.iter().filter(|rule| rule.is_owned_by(&self.deployment));
        let with_end = ours.filter_map(|rule| Some((rule, rule.mark.as_ref()?.expires_at?)));
        let is_over = |(rule, end): &(&SeenRule, Timestamp)| match self.offline.memory.says(resource, &rule.id) {
            Remembered::Going => true,
            Remembered::WantedUntil(wanted) => (*end).max(wanted) <= latest,
            Remembered::Nothing => *end <= latest,
        };
        with_end.filter(is_over).map(|(rule, end)| (rule.clone(), end)).collect()
    }

    async fn wait_for_calls(&self, needs: Option<Vec<Need>>, pace: &Mutex<Pace>) {
        let Some(needs) = needs else { return };
        loop {
            let now = self.store.now_without_database();
            let taken = pace.lock().unwrap_or_else(PoisonError::into_inner).take(now, &needs);
            let Err(wait) = taken else { return };
            tokio::time::sleep(wait.as_duration()).await;
        }
    }
}

fn closed(resource: &ResourceName, rule: &SeenRule, tagged_until: Timestamp, told_at: Timestamp) -> ClosedRule {
    let openings = rule.mark.iter().flat_map(|mark| mark.openings.clone()).collect();
    ClosedRule { resource: resource.clone(), rule: rule.id.clone(), source: rule.source, openings, tagged_until, told_at }
}

async fn read(allowlist: &dyn Allowlist) -> Result<Vec<SeenRule>, ProviderError> {
    tokio::time::timeout(LONGEST_CALL, observe(allowlist)).await.unwrap_or_else(|_| Err(no_answer()))
}

async fn remove(allowlist: &dyn Allowlist, removals: &[Removal]) -> Result<(), ProviderError> {
    let removing = measure::call("remove", allowlist.remove(removals));
    tokio::time::timeout(LONGEST_CALL, removing).await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> ProviderError {
    ProviderError::Unreachable { provider: "the provider", reason: format!("no answer within {} s", LONGEST_CALL.as_secs()) }
}
