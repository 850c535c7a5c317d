//! The loops: one tries the database and closes without it while it fails, the other keeps in memory what is open.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::super::worker::{logged, report};
use super::super::{Reconciler, measure};
use super::Waits;
use super::agenda::{Agenda, Next};
use super::close::Looked;
use super::memory::Place;
use super::pace::Pace;
use super::report::Outage;
use crate::domain::{HeldRule, OpeningId, ResourceName, RuleOwner, Span, Timestamp};
use crate::provider::SeenRule;
use crate::store::{LogPlace, OpenRule, StoreError};

/// How often a commit is tried while all is well, and while it is not.
const TRIAL: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);
/// How often a few resources are read into memory.
const REFRESH: Duration = Duration::from_secs(5);
/// How often the agenda is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Resources at work on at once.
const AT_ONCE: usize = 64;

impl Reconciler {
    /// Closes what is overdue whenever the database fails, and keeps in memory what that takes; for ever.
    pub async fn run_without_database(self: Arc<Self>) {
        measure::offline(false);
        tokio::join!(self.watch_the_database(Waits::of_this_process()), self.keep_memory());
    }

    /// The same for tests: once no commit has succeeded for `store`, it closes what has been overdue for `margin`.
    #[cfg(any(test, feature = "testing"))]
    pub async fn close_without_database_after(&self, store: Span, margin: Span) {
        tokio::join!(self.watch_the_database(Waits { store, margin }), self.keep_memory());
    }

    async fn watch_the_database(&self, waits: Waits) {
        let mut unreported: Option<Outage> = None;
        loop {
            let failing = self.store.failing_for();
            let tried = self.store.try_commit().await;
            let step = self.offline.steps.failing(Instant::now());
            let step_for = step.as_ref().map(|step| step.since.elapsed());
            match (tried, step) {
                (Ok(()), Some(step)) if step_for >= Some(waits.store.as_duration()) => {
                    unreported = Some(self.close_until_it_is_back(unreported, step.why, step_for, waits.margin).await);
                }
                (Ok(()), step) => {
                    if let Some(outage) = &unreported
                        && logged(self.report(outage).await).is_some()
                    {
                        unreported = None;
                    }
                    tokio::time::sleep(if step.is_some() { AGAIN } else { TRIAL }).await;
                }
                (Err(error), _) if self.store.failing_for() >= Some(waits.store.as_duration()) => {
                    let failing = self.store.failing_for();
                    unreported = Some(self.close_until_it_is_back(unreported, report(&error), failing, waits.margin).await);
                }
                (Err(error), _) => {
                    if failing.is_none() {
                        tracing::warn!(error = %report(&error), after = %waits.store, "the database fails; if it goes on, rules are closed by their tags");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn keep_memory(&self) {
        let mut place = Place::default();
        let (mut complete, mut last) = (false, None);
        loop {
            if logged(self.is_older(&mut last).await) == Some(true) {
                tracing::warn!(
                    "the database is older than it was: a backup, or a replica without the last commits; a sweep removes what it does not know"
                );
                logged(self.sweep(false).await);
            }
            match logged(self.refresh_memory(&mut place).await) {
                Some(done) => complete |= done,
                None => complete = true,
            }
            // At the start all of it as soon as can be, though others get their turns at the database.
            tokio::time::sleep(if complete { REFRESH } else { Duration::from_millis(50) }).await;
        }
    }

    /// Whether the audit log has lost the place that it had the last time.
    async fn is_older(&self, last: &mut Option<LogPlace>) -> Result<bool, StoreError> {
        let is_older = match last.as_ref() {
            Some(last) => !self.store.log_has(last).await?,
            None => false,
        };
        *last = Some(self.store.log_place().await?);
        Ok(is_older)
    }

    async fn close_until_it_is_back(
        &self,
        unreported: Option<Outage>,
        error: String,
        failing: Option<Duration>,
        margin: Span,
    ) -> Outage {
        let now = self.store.now_without_database();
        let since = now.minus(Span::from_millis(failing.map_or(0, millis)));
        let mut outage = unreported.unwrap_or_else(|| Outage::new(since, error.clone()));
        tracing::warn!(
            error, failed_since = %outage.since, rules_known = self.offline.memory.len(),
            "the database has failed for long; closing what is overdue by the tags on the rules until it is back"
        );
        measure::offline(true);
        self.pulse.offline_begins();
        let back = AtomicBool::new(false);
        tokio::join!(self.wait_until_it_is_back(&back), self.close_by_tags(&mut outage, margin, &back));
        self.pulse.offline_ends();
        measure::offline(false);
        tracing::warn!(rules_closed = outage.closed(), "the database is back; it decides again what is closed");
        outage
    }

    async fn wait_until_it_is_back(&self, back: &AtomicBool) {
        while self.store.try_commit().await.is_err() || self.offline.steps.failing(Instant::now()).is_some() {
            tokio::time::sleep(AGAIN).await;
        }
        back.store(true, Ordering::Relaxed);
    }

    /// Reads the resources as the agenda says, many at once, until the database is back and what was begun is done.
    async fn close_by_tags(&self, outage: &mut Outage, margin: Span, back: &AtomicBool) {
        let (mut agenda, pace) = (Agenda::default(), Mutex::new(Pace::default()));
        let mut at_work = FuturesUnordered::new();
        loop {
            let is_back = back.load(Ordering::Relaxed);
            if is_back && at_work.is_empty() {
                return;
            }
            let now = self.store.now_without_database();
            agenda.set(self.allowlists().keys(), |name| self.overdue_at(name, margin), now);
            while !is_back
                && at_work.len() < AT_ONCE
                && let Some(next) = agenda.take(now)
            {
                let pace = &pace;
                at_work.push(async move {
                    let looked = self.close_without_database(&next, margin, pace).await;
                    (next, looked)
                });
            }
            tokio::select! {
                Some((next, looked)) = at_work.next() => self.take_in(outage, &mut agenda, &next, looked, margin),
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// When the first tag on a resource has been over for the margin, as far as this replica remembers.
    fn overdue_at(&self, resource: &ResourceName, margin: Span) -> Option<Timestamp> {
        Some(self.offline.memory.first_end(resource)?.plus(margin))
    }

    fn take_in(&self, outage: &mut Outage, agenda: &mut Agenda, next: &Next, mut looked: Looked, margin: Span) {
        let (resource, now) = (&next.resource, self.store.now_without_database());
        outage.note(resource, &mut looked);
        let left = looked.seen.as_ref().map(|seen| self.overdue_on(resource, seen, margin).len());
        let error = looked.error.map(|error| error.to_string()).or_else(|| match left {
            Some(0) => None,
            Some(left) => Some(format!("{left} overdue rules are still there")),
            None => Some("it could not be read".to_owned()),
        });
        if let Some(seen) = &looked.seen {
            self.tell_of_unmarked(outage, resource, seen);
            self.offline.memory.see(resource, &self.open_on(seen));
        }
        match error {
            None => agenda.is_done(resource, self.overdue_at(resource, margin), now),
            Some(error) => {
                tracing::warn!(%resource, error, "could not close what is overdue without the database; trying again");
                agenda.has_failed(resource, now, self.random.as_ref());
            }
        }
    }

    /// A rule of ours without its tag stays, for nothing says when its time is over; the operator should know.
    fn tell_of_unmarked(&self, outage: &mut Outage, resource: &ResourceName, seen: &[SeenRule]) {
        let unmarked = seen.iter().filter(|rule| rule.mark.is_none() && self.offline.memory.knows(resource, &rule.id));
        for rule in unmarked {
            if outage.is_news(&rule.id) {
                tracing::warn!(%resource, rule = %rule.id, source = %rule.source, "a rule of ours has lost its tags, so it cannot be closed without the database; remove it by hand if its session is over");
            }
        }
    }

    /// What a list shows of ours, for the memory; the rules that lost their tags are kept there, for their ends are known by it alone.
    fn open_on(&self, seen: &[SeenRule]) -> Vec<OpenRule> {
        let open = |rule: &SeenRule| {
            let mark = rule.mark.as_ref().filter(|mark| mark.owner == self.deployment)?;
            let opening = mark.openings.first().cloned().unwrap_or_else(|| OpeningId::from_stored(""));
            let held = HeldRule { id: rule.id.clone(), part: rule.part.clone(), owner: RuleOwner::Ours };
            Some(OpenRule { opening, rules: vec![held], tagged_until: mark.expires_at, is_going: false })
        };
        seen.iter().filter_map(open).collect()
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
