//! The loops that run beside the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use entryguard_core::config::SweepSchedule;
use entryguard_core::domain::{Span, Timestamp};
use entryguard_core::engine::Engine;
use entryguard_core::reconcile::{Pulse, Reconciler};
use entryguard_core::store::Store;
use tokio::task::JoinSet;

use crate::vigil;
use crate::wiring::Wired;

/// Starts the reconciler, the clock and the sweep. Dropping the set stops them; what they were at is resumed at the next start.
pub fn start(wired: &Wired, sweep: SweepSchedule) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    workers.spawn(Arc::clone(&wired.reconciler).run());
    workers.spawn(Arc::clone(&wired.reconciler).run_clock());
    workers.spawn(Arc::clone(&wired.reconciler).run_wakes());
    workers.spawn(Arc::clone(&wired.reconciler).run_reminders());
    workers.spawn(Arc::clone(&wired.reconciler).run_without_database());
    let (reconciler, pulse, store) = (Arc::clone(&wired.reconciler), Arc::clone(&wired.pulse), Arc::clone(&wired.store));
    workers.spawn(vigil::watch_limits(Arc::clone(&wired.reconciler)));
    workers.spawn(vigil::watch_the_audit_log(Arc::clone(&wired.store)));
    workers.spawn(sweep_on_schedule(reconciler, sweep, store, pulse));
    workers.spawn(keep_schedules(Arc::clone(&wired.engine)));
    workers
}

/// How often to look whether a schedule's time has come.
const TICK: Duration = Duration::from_secs(1);
/// How late a sweep may be after the machine was suspended.
const LOOK: Duration = Duration::from_secs(15);

/// Starts the sessions of schedules, for ever.
async fn keep_schedules(engine: Arc<Engine>) {
    loop {
        match engine.start_scheduled().await {
            Ok(0) => {}
            Ok(started) => tracing::info!(started, "schedules started sessions"),
            Err(error) => tracing::error!(error = ?error, "schedules could not be looked at; trying again"),
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Sweeps at the start, and then whenever the schedule says.
async fn sweep_on_schedule(reconciler: Arc<Reconciler>, schedule: SweepSchedule, store: Arc<Store>, pulse: Arc<Pulse>) {
    pulse.sweep_done(Duration::ZERO);
    loop {
        let swept = reconciler.sweep(false).await;
        let now = store.now_without_database();
        let next = schedule.next_after(now).map_or(Duration::from_secs(300), |at| at.since(now).as_duration());
        let next = next.max(Duration::from_secs(1));
        match swept {
            Ok(report) => {
                log(&report);
                if report.has_seen() {
                    pulse.sweep_done(next);
                }
            }
            Err(error) => tracing::error!(error = ?error, "a sweep failed; the next one is on schedule"),
        }
        wait_until(&store, now.plus(Span::from_millis(i64::try_from(next.as_millis()).unwrap_or(i64::MAX))), next).await;
    }
}

/// Waits for a time, or for as long as it was away: timers stand still while the machine is suspended, and an operator may set the time
/// back to a clock that was ahead.
async fn wait_until(store: &Store, at: Timestamp, longest: Duration) {
    let ends = Instant::now() + longest;
    while store.now_without_database() < at && Instant::now() < ends {
        tokio::time::sleep(LOOK.min(ends.saturating_duration_since(Instant::now()))).await;
    }
}

fn log(report: &entryguard_core::reconcile::SweepReport) {
    for resource in &report.resources {
        if let Some(error) = &resource.error {
            tracing::warn!(resource = %resource.resource, error, "a resource could not be swept");
        }
    }
}
