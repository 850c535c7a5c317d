//! The loops that run beside the server.

use std::sync::Arc;
use std::time::Duration;

use entryguard_core::clock::Clock;
use entryguard_core::config::SweepSchedule;
use entryguard_core::reconcile::Reconciler;
use tokio::task::JoinSet;

/// Starts the reconciler, the clock and the sweep. Dropping the set stops them; what they were at is resumed at the next start.
pub fn start(reconciler: &Arc<Reconciler>, sweep: SweepSchedule, clock: Arc<dyn Clock>) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    workers.spawn(Arc::clone(reconciler).run());
    workers.spawn(Arc::clone(reconciler).run_clock());
    workers.spawn(sweep_on_schedule(Arc::clone(reconciler), sweep, clock));
    workers
}

/// Sweeps at the start, and then whenever the schedule says.
async fn sweep_on_schedule(reconciler: Arc<Reconciler>, schedule: SweepSchedule, clock: Arc<dyn Clock>) {
    loop {
        match reconciler.sweep(false).await {
            Ok(report) => log(&report),
            Err(error) => tracing::error!(error = ?error, "a sweep failed; the next one is on schedule"),
        }
        let now = clock.now();
        let next = schedule.next_after(now).map_or(Duration::from_secs(300), |at| at.since(now).as_duration());
        tokio::time::sleep(next.max(Duration::from_secs(1))).await;
    }
}

fn log(report: &entryguard_core::reconcile::SweepReport) {
    for resource in &report.resources {
        if let Some(error) = &resource.error {
            tracing::warn!(resource = %resource.resource, error, "a resource could not be swept");
        }
    }
}
