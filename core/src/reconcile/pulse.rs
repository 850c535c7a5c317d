//! Whether what closes things is alive: nothing is opened by a server that would not notice when to close it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::domain::Span;

/// How long the clock or a sweep may be late before nothing is opened any more.
const PATIENCE: Duration = Duration::from_secs(120);
/// The loop does not run in this process.
const NEVER: i64 = i64::MIN;

/// Why nothing is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blindness {
    /// Nobody ends sessions.
    #[error("sessions that ran out have not been closed for {0}")]
    Expiry(Span),
    /// Nobody compares.
    #[error("the sweep, which finds what stays open, is {0} late")]
    Sweep(Span),
}

/// When the loops that close things last did so, by this process's own clock.
#[derive(Debug)]
pub struct Pulse {
    started: Instant,
    // Milliseconds since the start at which each loop is late.
    expiry_late_at: AtomicI64,
    sweep_late_at: AtomicI64,
    // Since when this process has closed without the database.
    offline_since: AtomicI64,
}

impl Default for Pulse {
    fn default() -> Self {
        let [expiry_late_at, sweep_late_at, offline_since] = [NEVER, NEVER, NEVER].map(AtomicI64::new);
        Self { started: Instant::now(), expiry_late_at, sweep_late_at, offline_since }
    }
}

impl Pulse {
    /// Sessions that ran out have been ended, or the loop that does so begins.
    pub fn expiry_done(&self) {
        self.expiry_late_at.store(self.after(PATIENCE), Ordering::Relaxed);
    }

    /// A sweep goes on: a resource has been looked at.
    pub fn sweep_goes_on(&self) {
        self.sweep_late_at.fetch_max(self.after(PATIENCE), Ordering::Relaxed);
    }

    /// A sweep is done, and the next one begins after `next`.
    pub fn sweep_done(&self, next: Duration) {
        self.sweep_late_at.store(self.after(next.saturating_add(PATIENCE)), Ordering::Relaxed);
    }

    /// From now on this process closes without the database.
    pub fn offline_begins(&self) {
        self.offline_since.store(self.after(Duration::ZERO), Ordering::Relaxed);
    }

    /// The database is back.
    pub fn offline_ends(&self) {
        self.offline_since.store(NEVER, Ordering::Relaxed);
    }

    /// For how long this process has closed without the database, if it does.
    pub fn offline_for(&self) -> Option<Span> {
        match self.offline_since.load(Ordering::Relaxed) {
            NEVER => None,
            since => Some(Span::from_millis(self.after(Duration::ZERO) - since)),
        }
    }

    /// What is not alive, if anything is not.
    pub fn blindness(&self) -> Option<Blindness> {
        let (expiry, sweep) = self.blindnesses();
        expiry.or(sweep)
    }

    /// What is the matter with the clock, and with the sweep.
    pub fn blindnesses(&self) -> (Option<Blindness>, Option<Blindness>) {
        let late = |at: &AtomicI64| match at.load(Ordering::Relaxed) {
            NEVER => None,
            at => u64::try_from(self.after(Duration::ZERO) - at).ok().filter(|late| *late > 0),
        };
        let in_all = |late: u64| {
            Span::from_millis(i64::try_from(Duration::from_millis(late).saturating_add(PATIENCE).as_millis()).unwrap_or(i64::MAX))
        };
        let expiry = late(&self.expiry_late_at).map(|late| Blindness::Expiry(in_all(late)));
        let sweep = late(&self.sweep_late_at).map(|late| Blindness::Sweep(in_all(late)));
        (expiry, sweep)
    }

    fn after(&self, wait: Duration) -> i64 {
        i64::try_from((self.started.elapsed() + wait).as_millis()).unwrap_or(i64::MAX)
    }

    /// As if so much time had passed without a beat.
    #[cfg(any(test, feature = "testing"))]
    pub fn stand_still(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        for late_at in [&self.expiry_late_at, &self.sweep_late_at] {
            if late_at.load(Ordering::Relaxed) != NEVER {
                late_at.fetch_sub(millis, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_has_not_run_for_two_minutes_is_noticed() {
        let pulse = Pulse::default();
        assert_eq!(pulse.blindness(), None, "no loop runs in this process");
        pulse.expiry_done();
        pulse.sweep_done(Duration::from_secs(300));
        pulse.stand_still(Duration::from_secs(119));
        assert_eq!(pulse.blindness(), None);
        pulse.stand_still(Duration::from_secs(2));
        assert!(matches!(pulse.blindness(), Some(Blindness::Expiry(_))));
        pulse.expiry_done();
        assert_eq!(pulse.blindness(), None, "the next sweep is not due yet");
        pulse.stand_still(Duration::from_secs(301));
        pulse.expiry_done();
        assert!(matches!(pulse.blindness(), Some(Blindness::Sweep(_))));
        pulse.sweep_goes_on();
        assert_eq!(pulse.blindness(), None);
    }
}
