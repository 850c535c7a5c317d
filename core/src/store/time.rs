//! The time that everything stored goes by: with Postgres the database's, which all replicas share; with SQLite this machine's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::Row;

use super::pool::PooledConnection;
use super::{Dialect, StoreError};
use crate::clock::Clock;
use crate::domain::{Span, Timestamp};

/// How far a clock may be off before nothing is opened by it.
const TOLERANCE: Span = Span::from_seconds(5);

/// Why the time cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockDoubt {
    /// This machine and the database do not agree.
    #[error("this machine's clock is {0} off the database's; set it right (NTP)")]
    Skewed(Span),
    /// The time has gone back.
    #[error("the clock has gone back by {0}; set it right (NTP), or wait until it has caught up")]
    WentBack(Span),
}

/// Tells the time to every transaction, and watches it.
pub(super) struct StoreTime {
    clock: Arc<dyn Clock>,
    from_database: bool,
    // In milliseconds: this machine's clock less the database's.
    skew: AtomicI64,
    latest: AtomicI64,
    present: AtomicI64,
}

impl StoreTime {
    pub(super) fn new(clock: Arc<dyn Clock>, dialect: Dialect) -> Self {
        let from_database = dialect == Dialect::Postgres;
        let [skew, latest, present] = [0, i64::MIN, i64::MIN].map(AtomicI64::new);
        Self { clock, from_database, skew, latest, present }
    }

    /// Goes by this machine's clock whatever the database.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn ask_the_machine(self) -> Self {
        Self { from_database: false, ..Self::new(self.clock, Dialect::Sqlite) }
    }

    /// The time at which a transaction begins.
    pub(super) async fn read(&self, tx: &mut PooledConnection) -> Result<Timestamp, StoreError> {
        let now = if self.from_database { self.ask_database(tx).await? } else { self.clock.now() };
        self.note(now);
        Ok(now)
    }

    async fn ask_database(&self, tx: &mut PooledConnection) -> Result<Timestamp, StoreError> {
        let before = self.clock.now();
        // Not now(): that is when the transaction began, and a lock may have been waited for since.
        let sql = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS now";
        let row = sqlx::query(sql).fetch_one(&mut **tx).await?;
        let now = row.try_get::<i64, _>("now")?;
        let after = self.clock.now();
        // Somewhere between the two: what the question took is no skew.
        let skew = if after.as_millis() < now { after.as_millis() - now } else { (before.as_millis() - now).max(0) };
        self.skew.store(skew, Ordering::Relaxed);
        Ok(Timestamp::from_millis(now))
    }

    /// What was stored at `at` was stored in the past.
    pub(super) fn note(&self, at: Timestamp) {
        self.present.store(at.as_millis(), Ordering::Relaxed);
        self.latest.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    /// What is wrong with the time, if anything is.
    pub(super) fn doubt(&self) -> Option<ClockDoubt> {
        let skew = Span::from_millis(self.skew.load(Ordering::Relaxed).saturating_abs());
        let [latest, present] = [&self.latest, &self.present].map(|at| Timestamp::from_millis(at.load(Ordering::Relaxed)));
        let back = latest.since(present);
        match (skew > TOLERANCE, back > TOLERANCE) {
            (true, _) => Some(ClockDoubt::Skewed(skew)),
            (false, true) => Some(ClockDoubt::WentBack(back)),
            (false, false) => None,
        }
    }

    /// This machine's clock less the database's, in milliseconds.
    pub(super) fn skew_millis(&self) -> i64 {
        self.skew.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for StoreTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTime").field("from_database", &self.from_database).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_clock_that_went_back_is_doubted_until_it_has_caught_up() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let time = StoreTime::new(Arc::new(ManualClock::at(start)), Dialect::Sqlite);
        time.note(start);
        assert_eq!(time.doubt(), None);
        time.note(start.minus(Span::from_seconds(5)));
        assert_eq!(time.doubt(), None, "NTP steps a little");
        time.note(start.minus(Span::from_seconds(6)));
        assert_eq!(time.doubt(), Some(ClockDoubt::WentBack(Span::from_seconds(6))));
        time.note(start);
        assert_eq!(time.doubt(), None);
    }
}
