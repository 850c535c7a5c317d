//! What a pass has found out about the resource itself: whether it refuses additions, and whether its list has changed since. One
//! probe then tries for all that wait ([`Block`]).

use std::collections::BTreeSet;

use crate::domain::{AddressFamily, Attempt, Block, BlockCause, Opening, OpeningEvent, Refusal, ResourceName, Timestamp};
use crate::provider::{Allowlist, CallLimits, ProviderError, SeenRule};
use crate::random;
use crate::store::{StoreError, Tx};

use super::Reconciler;
use super::act::Outcome;
use super::claim::MOST_ADDITIONS;
use super::judge::Verdict;
use super::pass::Worked;
use super::plan::Plan;
use super::purse::most_additions;

/// How a resource stands after a pass.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// Why it refused additions, if it did.
    refusal: Option<Refusal>,
    /// What was on its list, if that could be read.
    listed: Option<Listed>,
    per_call: u32,
    at_most: u32,
}

/// How many rules a list has, for each family, and how many of them an opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    v4: u32,
    v6: u32,
    parts: u32,
}

impl Listed {
    /// Counts them.
    pub(super) fn of(seen: &[SeenRule], allowlist: &dyn Allowlist) -> Self {
        let v4 = seen.iter().filter(|rule| rule.source.addr().is_ipv4()).count();
        Self { v4: count(v4), v6: count(seen.len() - v4), parts: count(allowlist.parts().len()) }
    }

    const fn rules(self, family: AddressFamily) -> u32 {
        match family {
            AddressFamily::V4 => self.v4,
            AddressFamily::V6 => self.v6,
        }
    }
}

impl Standing {
    /// What the calls of a pass said.
    pub(super) fn after(plan: &Plan, outcome: &Outcome, allowlist: &dyn Allowlist) -> Self {
        let refusal = match (&outcome.adding, &outcome.seen) {
            _ if plan.adding.is_empty() => None,
            (Some(error), _) => error.refusal(),
            // Whether it was added is unknown: a list that cannot be read holds additions back as well.
            (None, None) => outcome.observing.as_ref().map_or_else(|| Some(silent()), ProviderError::refusal),
            (None, Some(_)) => None,
        };
        let listed = outcome.seen.as_ref().map(|seen| Listed::of(seen, allowlist));
        Self { refusal, listed, ..Self::unread(allowlist.limits()) }
    }

    /// The resource cannot be called at all.
    pub(super) fn refused(plan: &Plan, error: &ProviderError) -> Self {
        let refusal = if plan.adding.is_empty() { None } else { error.refusal() };
        Self { refusal, ..Self::unread(None) }
    }

    fn unread(limits: Option<&CallLimits>) -> Self {
        let at_most = count(limits.map_or(MOST_ADDITIONS, most_additions));
        let per_call = limits.map_or(at_most, |limits| limits.additions_a_call.max(1));
        Self { refusal: None, listed: None, per_call, at_most }
    }
}

fn silent() -> Refusal {
    let reason = "the provider did not answer in time; EntryGuard keeps trying".to_owned();
    Refusal { cause: BlockCause::Unreachable, reason }
}

impl Reconciler {
    /// Lets every resource that refused additions be tried now: the configuration may have changed what they refused.
    pub async fn probe_all(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.probe_all_now().await?;
        tx.commit().await?;
        self.nudges.wake();
        Ok(())
    }

    /// Writes what a pass says of its resource, in the transaction that records the pass.
    pub(super) async fn record_standing(&self, tx: &mut Tx, worked: &Worked) -> Result<(), StoreError> {
        let (resource, standing) = (&worked.claim.hold.lease.resource, &worked.standing);
        let mut tried = Vec::new();
        for family in AddressFamily::ALL {
            let attempt = self.attempt(worked, family, tx.now());
            if attempt.added + attempt.refused > 0 {
                self.record_attempt(tx, resource, family, standing, attempt).await?;
                tried.push(family);
            }
        }
        // An attempt says more than the list that was read after it.
        let blocks: Vec<_> = tx.blocks_on(resource).await?.into_iter().filter(|block| !tried.contains(&block.family)).collect();
        for block in blocks {
            let fewer = count(gone_from(worked).filter(|opening| is_of(opening, block.family)).count());
            look(tx, block, standing.listed, fewer, standing.at_most).await?;
        }
        Ok(())
    }

    async fn record_attempt(
        &self,
        tx: &mut Tx,
        resource: &ResourceName,
        family: AddressFamily,
        standing: &Standing,
        attempt: Attempt,
    ) -> Result<(), StoreError> {
        let refusal = standing.refusal.clone().filter(|_| attempt.refused > 0);
        let block = match (tx.block(resource, family).await?, refusal) {
            (None, None) => return Ok(()),
            (None, Some(refusal)) => {
                tracing::warn!(%resource, cause = refusal.cause.as_str(), "a resource refuses additions; one is tried from time to time");
                Block::begun(resource.clone(), family, refusal, attempt)
            }
            (Some(mut block), Some(refusal)) => {
                block.refused(refusal, attempt);
                block
            }
            (Some(mut block), None) if attempt.added > 0 => {
                let others_wait = tx.some_wait(resource, family).await?;
                if !block.accepted(attempt, others_wait) {
                    tracing::info!(%resource, "a resource takes additions again");
                    return tx.lift_block(resource, family).await;
                }
                block
            }
            (Some(mut block), None) => {
                block.unanswered(attempt);
                block
            }
        };
        tx.save_block(&block).await?;
        if block.cause.refuses_all_alike() { tx.wait_for_block(resource, family).await } else { Ok(()) }
    }

    fn attempt(&self, worked: &Worked, family: AddressFamily, at: Timestamp) -> Attempt {
        let (plan, standing) = (&worked.claim.plan, &worked.standing);
        let there: BTreeSet<_> =
            worked.verdicts.iter().filter(|(_, verdict)| is_there(verdict)).map(|(opening, _)| &opening.id).collect();
        let tried: Vec<_> = plan.adding.iter().map(|(opening, _)| opening).filter(|opening| is_of(opening, family)).collect();
        let added = tried.iter().filter(|opening| there.contains(&opening.id)).count();
        Attempt {
            at,
            added: count(added),
            refused: count(tried.len() - added),
            alone: plan.adding.len() == 1,
            per_call: standing.per_call,
            at_most: standing.at_most,
            rules_seen: standing.listed.map(|listed| listed.rules(family)),
            jitter: random::fraction(self.random.as_ref()),
        }
    }
}

/// The list of a blocked resource was read, or something was removed from it: what waits may fit now.
pub(super) async fn look(
    tx: &mut Tx,
    mut block: Block,
    listed: Option<Listed>,
    removed: u32,
    at_most: u32,
) -> Result<(), StoreError> {
    let (before, now) = (block.clone(), tx.now());
    let rules = listed.map(|listed| listed.rules(block.family));
    block.looked_at(rules, removed, listed.map_or(1, |listed| listed.parts), at_most, now);
    // A provider that can be read answers again.
    if block.cause == BlockCause::Unreachable && listed.is_some() {
        block.probe_at = block.probe_at.min(now);
    }
    if block == before { Ok(()) } else { tx.save_block(&block).await }
}

fn is_there(verdict: &Option<Verdict>) -> bool {
    verdict.as_ref().is_some_and(|verdict| verdict.event == Some(OpeningEvent::SeenPresent))
}

/// Openings whose rules were there and are seen no more.
fn gone_from(worked: &Worked) -> impl Iterator<Item = &Opening> {
    let unseen = |(opening, verdict): &&(Opening, Option<Verdict>)| {
        let absent = verdict.as_ref().is_some_and(|verdict| verdict.absent == Some(true));
        absent && opening.unseen_since.is_none() && opening.our_rules().next().is_some()
    };
    worked.verdicts.iter().filter(unseen).map(|(opening, _)| opening)
}

fn is_of(opening: &Opening, family: AddressFamily) -> bool {
    AddressFamily::of(opening.address) == family
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
