//! The loops that run the passes and the clock. A nudge only makes them look sooner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::store::StoreError;

use super::Reconciler;
use super::offline::Step;
use super::pass::Worked;

/// How long a loop sleeps at the most: wakes that were lost cost no more than this.
const POLL: Duration = Duration::from_secs(1);
/// How late a reminder may be.
const REMIND: Duration = Duration::from_secs(5);
/// Resources at work on at once.
const AT_ONCE: usize = 256;
/// Passes recorded in one transaction: requests wait for it where the database is SQLite.
const RECORDED_TOGETHER: usize = 6;

impl Reconciler {
    /// Before anything else: frees what a dead process held, and makes what it was at work on due.
    pub async fn resume(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.free_what_the_dead_held().await?;
        let resumed = tx.resume_in_flight().await?;
        // A restart may come with another configuration.
        tx.probe_all_now().await?;
        tx.commit().await?;
        if resumed > 0 {
            tracing::info!(openings = resumed, "resumed what was in flight");
        }
        // Sessions that ran out while nobody was there: a pass must not take their wishes for alive.
        self.expire_overdue().await.map(drop)
    }

    /// Runs passes for ever, resources in parallel: it claims many at once, and records at once all that have ended by then.
    pub async fn run(self: Arc<Self>) {
        let mut passes: JoinSet<Worked> = JoinSet::new();
        loop {
            let free = AT_ONCE.saturating_sub(passes.len());
            let began = Instant::now();
            let found = match self.claim(free).await {
                Ok(found) => {
                    self.offline.steps.succeeded(Step::Claim);
                    found
                }
                Err(error) if self.set_aside(&error).await => continue,
                Err(error) => {
                    self.offline.steps.failed(Step::Claim, began, Instant::now(), report(&error));
                    logged(Err(error)).unwrap_or_default()
                }
            };
            for claim in found.claims {
                let this = Arc::clone(&self);
                passes.spawn(async move { this.work(claim).await });
            }
            if found.untold {
                self.tell_some_of_those_who_wait().await;
            }
            tokio::select! {
                () = self.nudges.reconcile.notified() => {}
                Some(ended) = passes.join_next() => self.record_ended(ended, &mut passes).await,
                () = tokio::time::sleep(found.sleep.unwrap_or(POLL).min(POLL)) => {}
            }
        }
    }

    /// Ends sessions when their time runs out, for ever.
    pub async fn run_clock(self: Arc<Self>) {
        self.pulse.expiry_done();
        loop {
            logged(self.store.keep_time().await);
            let began = Instant::now();
            match self.expire_overdue().await {
                Ok(_) => {
                    self.offline.steps.succeeded(Step::Expire);
                    self.pulse.expiry_done();
                }
                Err(error) => {
                    self.offline.steps.failed(Step::Expire, began, Instant::now(), report(&error));
                    logged::<()>(Err(error));
                }
            }
            let sleep = logged(self.until_next_expiry().await).unwrap_or(POLL);
            tokio::select! {
                () = self.nudges.clock.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Tells members whose sessions end soon, for ever.
    pub async fn run_reminders(self: Arc<Self>) {
        loop {
            logged(self.remind().await);
            tokio::time::sleep(REMIND).await;
        }
    }

    /// Records a pass that has ended, and with it all others that have.
    async fn record_ended(&self, first: Result<Worked, tokio::task::JoinError>, passes: &mut JoinSet<Worked>) {
        let others = std::iter::from_fn(|| passes.try_join_next());
        let ended = std::iter::once(first).chain(others);
        let mut ended = ended
            .filter_map(|pass| pass.inspect_err(|error| tracing::error!(%error, "a pass crashed; its resource stays due")).ok());
        loop {
            let together: Vec<_> = ended.by_ref().take(RECORDED_TOGETHER).collect();
            if together.is_empty() {
                return;
            }
            self.record_apart(together).await;
        }
    }

    /// Records all together, and where that fails each by itself: one that cannot be recorded must not keep the others from it.
    async fn record_apart(&self, ended: Vec<Worked>) {
        let began = Instant::now();
        let Err(error) = self.record(&ended).await else { return };
        if self.set_aside(&error).await && self.record(&ended).await.is_ok() {
            return;
        }
        if ended.len() == 1 {
            self.offline.steps.failed(Step::Record, began, Instant::now(), report(&error));
            tracing::error!(error = %report(&error), "a pass could not be recorded; its resource stays due");
            return;
        }
        for worked in ended {
            let resource = worked.claim.hold.lease.resource.clone();
            if let Err(error) = self.record(&[worked]).await {
                self.offline.steps.failed(Step::Record, began, Instant::now(), report(&error));
                tracing::error!(%resource, error = %report(&error), "a pass could not be recorded; the resource stays due");
            }
        }
    }

    /// Sets aside the row that an error is about, if it is about one.
    pub(super) async fn set_aside(&self, error: &StoreError) -> bool {
        logged(self.store.set_aside(error, self.random.as_ref()).await).unwrap_or(false)
    }

    async fn until_next_expiry(&self) -> Result<Duration, StoreError> {
        let mut tx = self.store.begin().await?;
        let next = tx.next_expiry().await?;
        // One that cannot be ended must not make this loop a hot one.
        Ok(next.map_or(POLL, |at| at.since(tx.now()).as_duration().clamp(Duration::from_millis(50), POLL)))
    }
}

pub(super) fn logged<T>(result: Result<T, StoreError>) -> Option<T> {
    result
        .inspect_err(|error| tracing::error!(error = %report(error), "a worker could not reach the database; it tries again"))
        .ok()
}

/// An error with its causes, on one line.
pub(super) fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
