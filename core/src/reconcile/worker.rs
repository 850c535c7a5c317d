//! The loops that run the passes and the clock. A nudge only makes them look sooner.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::domain::Timestamp;
use crate::store::{Lease, StoreError};

use super::Reconciler;

/// How long a loop sleeps at the most: wakes that were lost cost no more than this.
const POLL: Duration = Duration::from_secs(1);
/// Resources at work on at once.
const AT_ONCE: usize = 64;

impl Reconciler {
    /// Before anything else: frees what a dead process held, and makes what it was at work on due.
    pub async fn resume(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.free_what_the_dead_held(self.clock.now()).await?;
        let resumed = tx.resume_in_flight(self.clock.now()).await?;
        tx.commit().await?;
        if resumed > 0 {
            tracing::info!(openings = resumed, "resumed what was in flight");
        }
        // Sessions that ran out while nobody was there: a pass must not take their wishes for alive.
        self.expire_overdue().await.map(drop)
    }

    /// Runs passes for ever, resources in parallel.
    pub async fn run(self: Arc<Self>) {
        let mut passes = JoinSet::new();
        loop {
            while passes.len() < AT_ONCE
                && let Some(lease) = logged(self.lease_due().await).flatten()
            {
                let this = Arc::clone(&self);
                passes.spawn(async move { this.guarded_pass(&lease).await });
            }
            let sleep = self.until_next_due().await;
            tokio::select! {
                () = self.nudges.reconcile.notified() => {}
                Some(_) = passes.join_next() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Ends sessions when their time runs out, for ever.
    pub async fn run_clock(self: Arc<Self>) {
        loop {
            logged(self.expire_overdue().await);
            let next = logged(self.next_expiry().await).flatten();
            let sleep = next.map_or(POLL, |at| self.time_to(at));
            tokio::select! {
                () = self.nudges.clock.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    async fn guarded_pass(&self, lease: &Lease) {
        if let Err(error) = self.pass(lease).await {
            tracing::error!(resource = %lease.resource, error = %report(&error), "a pass failed; the resource stays due");
        }
    }

    async fn until_next_due(&self) -> Duration {
        let next = async {
            let mut tx = self.store.begin().await?;
            tx.next_due().await
        };
        // What is due and was not leased is at work on already: its end wakes us.
        match logged(next.await).flatten() {
            Some(at) if at > self.clock.now() => self.time_to(at),
            _ => POLL,
        }
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.begin().await?.next_expiry().await
    }

    fn time_to(&self, at: Timestamp) -> Duration {
        at.since(self.clock.now()).as_duration().clamp(Duration::from_millis(1), POLL)
    }
}

fn logged<T>(result: Result<T, StoreError>) -> Option<T> {
    result
        .inspect_err(|error| tracing::error!(error = %report(error), "a worker could not reach the database; it tries again"))
        .ok()
}

/// An error with its causes, on one line.
fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
