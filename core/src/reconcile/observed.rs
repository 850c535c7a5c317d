//! What every complete read of a list means for the openings that are PRESENT: a status is the newest observation, whether a pass or a
//! sweep has made it.
//!
//! A rule that is not shown is in doubt first, because the list may lag behind ([`Doubt`]); a doubt is not shown to users. Once enough
//! reads agree, the opening is ADDING again: its session rules are PENDING with the reason, and the next pass adds what is missing. If the
//! reads were all stale, the provider answers that the rule exists already: nothing was removed, and no access was interrupted.

use std::time::{Duration, Instant};

use crate::domain::{Doubt, DriftKind, HeldRule, Opening, OpeningEvent, OpeningId, ResourceName, RuleOwner, Timestamp};
use crate::provider::{Next, ProviderError, SeenRule};
use crate::store::{PresentOpening, StoreError, Tx};

use super::act::Outcome;
use super::judge::Trouble;
use super::pass::Worked;
use super::presence::{Sight, look_for};
use super::record::{News, Sessions};
use super::sweep::MOST_REMOVALS;
use super::{Reconciler, backoff};

const GONE: &str = "the rule is not there any more: it was removed outside of EntryGuard, which adds it again";
const CHANGED: &str = "the rule was changed outside of EntryGuard, which replaces it";
const UNMARKED: &str = "the rule lost EntryGuard's tags, so EntryGuard replaces it";

/// How long a command waits for certainty; where a list cannot be read, the server goes on.
const PATIENCE: Duration = Duration::from_secs(15);
const SHORTEST_WAIT: Duration = Duration::from_millis(50);

/// The result of one read of a list.
#[derive(Debug, Default)]
pub(super) enum Looked {
    /// The list was not read, or not to its end: it proves nothing.
    #[default]
    Unread,
    /// The whole list.
    Seen(Vec<SeenRule>),
    /// The resource does not exist, in words for people.
    NoResource(String),
}

impl From<Outcome> for Looked {
    fn from(outcome: Outcome) -> Self {
        outcome.seen.ok_or(outcome.observing).map_or_else(|error| error.as_ref().map_or(Self::Unread, Self::of), Self::Seen)
    }
}

impl Looked {
    /// What a failed read says.
    pub(super) fn of(error: &ProviderError) -> Self {
        match error {
            ProviderError::Missing { .. } => Self::NoResource(error.to_string()),
            _ => Self::Unread,
        }
    }
}

/// Something that a read says of one opening and that is to be recorded.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) opening: OpeningId,
    pub(super) what: What,
    read_at: Timestamp,
}

/// What a read says of one opening.
#[derive(Debug)]
pub(super) enum What {
    /// All of it is there, which was in doubt, or under other ids than before.
    Whole(Vec<HeldRule>),
    /// No more of it than this is shown.
    Unseen(Vec<HeldRule>),
    /// These rules of it open something else than they were made for.
    Changed(Vec<SeenRule>),
    /// These rules of it have had no tags of ours for two sweeps.
    Unmarked(Vec<SeenRule>),
    /// Its resource does not exist, for this reason.
    NoResource(String),
    /// The resource, which did not exist, can be read again.
    ReadAgain,
}

impl Finding {
    /// Rules of the opening lost their tags.
    pub(super) const fn unmarked(opening: OpeningId, rules: Vec<SeenRule>, read_at: Timestamp) -> Self {
        Self { opening, what: What::Unmarked(rules), read_at }
    }

    /// The opening's resource can be read again.
    pub(super) const fn read_again(opening: OpeningId, read_at: Timestamp) -> Self {
        Self { opening, what: What::ReadAgain, read_at }
    }
}

impl Reconciler {
    /// What passes have seen beside what they worked on.
    pub(super) async fn findings_of(&self, tx: &mut Tx, all: &[&Worked]) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for Worked { claim, looked, .. } in all {
            let mut on_it = self.findings_on(tx, &claim.hold.lease.resource, looked, claim.plan.at).await?;
            // A mistake of ours must not empty a firewall: of more than these, the sweep decides, which asks twice.
            if on_it.iter().filter(|finding| matches!(finding.what, What::Changed(_))).count() > MOST_REMOVALS {
                on_it.retain(|finding| !matches!(finding.what, What::Changed(_)));
            }
            findings.append(&mut on_it);
        }
        Ok(findings)
    }

    /// What a read that began after `read_at` says of the openings of a resource that are PRESENT.
    pub(super) async fn findings_on(
        &self,
        tx: &mut Tx,
        resource: &ResourceName,
        looked: &Looked,
        read_at: Timestamp,
    ) -> Result<Vec<Finding>, StoreError> {
        if matches!(looked, Looked::Unread) {
            return Ok(Vec::new());
        }
        let present = tx.present_openings(resource).await?;
        let found = present.into_iter().filter_map(|PresentOpening { opening, .. }| {
            let what = match looked {
                Looked::Unread => None,
                Looked::NoResource(why) => Some(What::NoResource(why.clone())),
                Looked::Seen(seen) => match look_for(&opening, seen, &self.deployment) {
                    Sight::Whole(rules) if opening.unseen_since.is_none() && rules == opening.rules => None,
                    Sight::Whole(rules) => Some(What::Whole(rules)),
                    Sight::Unseen(left) => Some(What::Unseen(left)),
                    Sight::Changed(rules) => Some(What::Changed(rules)),
                },
            };
            what.map(|what| Finding { opening: opening.id, what, read_at })
        });
        Ok(found.collect())
    }

    /// Records what was seen of one opening, if it is still taken for present and wanted.
    pub(super) async fn record_finding(&self, tx: &mut Tx, finding: &Finding, sessions: &Sessions) -> Result<(), StoreError> {
        let Finding { opening: id, what, read_at } = finding;
        if matches!(what, What::ReadAgain) {
            return self.try_again(tx, id, sessions).await;
        }
        let Some(PresentOpening { opening, since }) = tx.present_opening(id).await? else { return Ok(()) };
        let now = tx.now();
        if tx.wish_for(id).await?.is_none() {
            return Ok(());
        }
        match what {
            What::Whole(rules) => {
                let whole = Opening { rules: rules.clone(), unseen_since: None, ..opening };
                self.record_whole(tx, &whole, *read_at, sessions).await
            }
            What::Unseen(left) => {
                let unseen_since = opening.unseen_since.unwrap_or(now);
                match Doubt::of(since, unseen_since, *read_at) {
                    Doubt::LookAgain(at) => {
                        let doubted = Opening { unseen_since: Some(unseen_since), ..opening };
                        tx.save_opening(&doubted, Some(at), now).await
                    }
                    Doubt::Gone => {
                        self.note(tx, DriftKind::Missing, Some(&opening.resource), opening.address.cidr()).await?;
                        let gone = Trouble { message: GONE.to_owned(), next: Next::Retry };
                        self.lose(tx, Opening { rules: left.clone(), ..opening }, gone, now, sessions).await
                    }
                }
            }
            What::NoResource(why) => {
                let again = now.plus(backoff::delay(1, self.random.as_ref()));
                let missing = Trouble { message: why.clone(), next: Next::GiveUp };
                self.lose(tx, Opening { rules: Vec::new(), ..opening }, missing, again, sessions).await
            }
            What::Changed(rules) => {
                for rule in rules {
                    self.record_surplus(tx, &opening.resource, DriftKind::Widened, rule).await?;
                }
                self.replace(tx, opening, rules, CHANGED, sessions).await
            }
            // The digest has told of it when it was seen for the first time.
            What::Unmarked(rules) => {
                for rule in rules {
                    self.audit_surplus(tx, &opening.resource, DriftKind::Unmarked, rule).await?;
                }
                self.replace(tx, opening, rules, UNMARKED, sessions).await
            }
            What::ReadAgain => Ok(()),
        }
    }

    async fn record_whole(
        &self,
        tx: &mut Tx,
        opening: &Opening,
        read_at: Timestamp,
        sessions: &Sessions,
    ) -> Result<(), StoreError> {
        let (now, wish) = (tx.now(), tx.wish_for(&opening.id).await?);
        let due = self.due_after(opening, wish.as_ref(), read_at, now);
        tx.save_opening(opening, due, now).await?;
        self.settle_all(tx, sessions, News::of(opening, None)).await
    }

    /// An opening is not there any more, and is wanted: it is added again from `due` on, and what hangs on it says why it waits.
    async fn lose(
        &self,
        tx: &mut Tx,
        mut opening: Opening,
        trouble: Trouble,
        due: Timestamp,
        sessions: &Sessions,
    ) -> Result<(), StoreError> {
        let Ok(state) = opening.state.after(OpeningEvent::Vanished) else { return Ok(()) };
        tracing::warn!(resource = %opening.resource, address = %opening.address, why = trouble.message, "a wanted rule is gone");
        // A call for it may still be done later, so it stays one that was tried: see `Opening::was_tried`.
        let attempts = u32::from(opening.was_tried());
        (opening.state, opening.unseen_since, opening.marked_until, opening.attempts) = (state, None, None, attempts);
        opening.error = Some(trouble.message.clone());
        tx.save_opening(&opening, Some(due), tx.now()).await?;
        self.settle_all(tx, sessions, News::of(&opening, Some(&trouble))).await
    }

    /// Replaces an instance of which something has to be removed: the old one is told to go, with all that was made for it, and a new one
    /// waits until it is out of sight.
    async fn replace(
        &self,
        tx: &mut Tx,
        opening: Opening,
        changed: &[SeenRule],
        why: &str,
        sessions: &Sessions,
    ) -> Result<(), StoreError> {
        let Ok(state) = opening.state.after(OpeningEvent::Unwanted) else { return Ok(()) };
        let now = tx.now();
        let new = Opening::wanted(OpeningId::new(now, self.random.as_ref()), opening.resource.clone(), opening.address);
        let of_changed = |rule: &SeenRule| HeldRule { id: rule.id.clone(), part: rule.part.clone(), owner: RuleOwner::Ours };
        let unknown = changed.iter().filter(|rule| opening.rules.iter().all(|held| held.id != rule.id));
        let rules = opening.rules.iter().cloned().chain(unknown.map(of_changed)).collect();
        let old = Opening { state, rules, unseen_since: None, attempts: 0, ..opening };
        tx.save_opening(&old, Some(now), now).await?;
        tx.insert_opening(&new, now).await?;
        for rule in tx.rules_on(&old.id).await?.iter().filter(|rule| rule.status.is_wanted()) {
            tx.set_rule(rule, &new.id, now).await?;
        }
        let trouble = Trouble { message: why.to_owned(), next: Next::Retry };
        self.settle_all(tx, sessions, News::of(&new, Some(&trouble))).await
    }

    /// What kept an opening from being made is over: it is tried again at once.
    async fn try_again(&self, tx: &mut Tx, id: &OpeningId, sessions: &Sessions) -> Result<(), StoreError> {
        let Some(mut opening) = tx.opening_on_its_way(id).await? else { return Ok(()) };
        (opening.attempts, opening.error) = (0, None);
        let now = tx.now();
        tx.save_opening(&opening, Some(now), now).await?;
        self.settle_all(tx, sessions, News::of(&opening, None)).await
    }

    /// Works on what is due, and on what reads have made us doubt, until that is certain: for a command that ends then.
    ///
    /// # Errors
    ///
    /// Where the database does not answer.
    pub async fn reconcile_until_certain(&self) -> Result<(), StoreError> {
        let began = Instant::now();
        loop {
            self.reconcile_all_due().await?;
            let mut tx = self.store.begin().await?;
            let Some(next) = tx.next_doubt().await?.filter(|_| began.elapsed() < PATIENCE) else { return Ok(()) };
            let wait = next.since(tx.now());
            drop(tx);
            tokio::time::sleep(wait.as_duration().max(SHORTEST_WAIT)).await;
        }
    }
}

impl<'a> News<'a> {
    /// Of an opening that is wanted.
    const fn of(opening: &'a Opening, trouble: Option<&'a Trouble>) -> Self {
        Self { opening, wanted: true, absence: None, trouble, remarked: false }
    }
}
