//! The one time that rules every decision: the database's with Postgres, which all replicas share, and this machine's with SQLite. It
//! never goes back: see [`SteadyTime`]. As much of it is persisted as keeps that true across restarts and replicas.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Row;

use super::pool::PooledConnection;
use super::{Dialect, Store, StoreError, Tx};
use crate::clock::{Clock, Monotonic, Reading, SteadyTime, TOLERANCE};
use crate::domain::{Span, Timestamp};

/// How old the persisted time may be while the clock is right: a restart falls back on it only where the clock has gone back meanwhile.
const KEPT_EVERY: Span = Span::from_seconds(60);
/// The same while the clock is behind: now a restart does fall back on it.
const KEPT_EVERY_WHILE_BEHIND: Span = Span::from_seconds(5);

/// How long something that began by a time which an operator has set back since may take to write that time down.
const UNDER_WAY: Span = Span::from_seconds(30);

/// Why the time cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockDoubt {
    /// This machine and the database do not agree.
    #[error("this machine's clock is {0} off the database's; set it right (NTP)")]
    Skewed(Span),
    /// The clock has gone back, or was ahead before.
    #[error(
        "the clock has gone back by {0}; set it right (NTP), or, if it is right now and was ahead before, run `entryguard clock accept`"
    )]
    WentBack(Span),
}

/// What is persisted of the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The latest time that was persisted.
    pub(super) latest: Timestamp,
    /// Counts how often an operator accepted a clock that had gone back: what was known of the time before counts no more.
    pub(super) generation: i64,
    // When that was by the monotonic clock of which boot.
    moment: Option<(String, Monotonic)>,
}

/// Tells the time to every transaction, and watches it.
pub(super) struct StoreTime {
    clock: Arc<dyn Clock>,
    from_database: bool,
    // In milliseconds: this machine's clock less the database's.
    skew: AtomicI64,
    known: Mutex<Known>,
}

/// What this process knows of the time.
#[derive(Default)]
struct Known {
    steady: SteadyTime,
    kept: Option<Kept>,
    // When it was seen that an operator had accepted the clock, until what was under way by then is brought back, too.
    accepted: Option<Monotonic>,
}

impl StoreTime {
    pub(super) fn new(clock: Arc<dyn Clock>, dialect: Dialect) -> Self {
        Self { clock, from_database: dialect == Dialect::Postgres, skew: AtomicI64::new(0), known: Mutex::default() }
    }

    /// Goes by this machine's clock whatever the database.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn ask_the_machine(self) -> Self {
        Self::new(self.clock, Dialect::Sqlite)
    }

    /// The time at which a transaction begins, and what was persisted of it by then.
    pub(super) async fn read(&self, tx: &mut PooledConnection) -> Result<(Timestamp, Kept), StoreError> {
        let (mut asked, before) = (self.clock.monotonic(), self.clock.now());
        // Not now(): that is when the transaction began, and a lock may have been waited for since.
        let sql = match self.from_database {
            true => {
                "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS now, latest, generation, boot, monotonic
                 FROM (SELECT 'this' AS singleton) AS always LEFT JOIN clock ON clock.singleton = always.singleton"
            }
            false => {
                "SELECT latest, generation, boot, monotonic
                 FROM (SELECT 'this' AS singleton) AS always LEFT JOIN clock ON clock.singleton = always.singleton"
            }
        };
        let row = sqlx::query(sql).fetch_one(&mut **tx).await?;
        let kept = kept_from(&row)?;
        let said = match self.from_database {
            true => {
                let now = row.try_get("now")?;
                self.note_skew(before, now);
                Timestamp::from_millis(now)
            }
            false => {
                asked = self.clock.monotonic();
                self.clock.now()
            }
        };
        let mut known = self.known();
        let answered = self.clock.monotonic();
        known.take(&kept, answered, self.clock.as_ref());
        Ok((known.steady.advance(Reading { asked, said, answered }), kept))
    }

    /// The time, as far as it is known without asking the database.
    pub(super) fn now_without_database(&self) -> Timestamp {
        let (asked, said) = (self.clock.monotonic(), self.clock.now());
        let mut known = self.known();
        let answered = self.clock.monotonic();
        match known.steady.at(answered) {
            // This machine's wall clock may be wrong where the database's is the one that counts.
            Some(now) if self.from_database => now,
            None if self.from_database => said,
            _ => known.steady.advance(Reading { asked, said, answered }),
        }
    }

    /// Somewhere between the two readings of this machine's clock the database read its own: what the question took is no skew.
    fn note_skew(&self, before: Timestamp, database: i64) {
        let after = self.clock.now().as_millis();
        let skew = if after < database { after - database } else { (before.as_millis() - database).max(0) };
        self.skew.store(skew, Ordering::Relaxed);
    }

    /// An entry of the audit log was written at `at`. One that is later than any that the persisted time allows for was written before an
    /// operator accepted the clock.
    pub(super) fn note_entry(&self, at: Timestamp) {
        let mut known = self.known();
        if known.kept.as_ref().is_some_and(|kept| !kept.is_overdue_at(at)) {
            let moment = self.clock.monotonic();
            known.steady.note(at, moment);
        }
    }

    /// Whether the persisted time is so old that it has to be persisted again.
    fn is_to_be_kept(&self) -> bool {
        let now = self.now_without_database();
        let known = self.known();
        let often = if known.steady.behind() > TOLERANCE { KEPT_EVERY_WHILE_BEHIND } else { KEPT_EVERY };
        known.kept.as_ref().is_none_or(|kept| now.since(kept.latest) >= often)
    }

    /// Whether to look again for what is in the future, some time after an operator has accepted the clock.
    fn is_to_bring_back(&self) -> bool {
        let mut known = self.known();
        let moment = self.clock.monotonic();
        let is_time = known.accepted.is_some_and(|at| moment.since(at) >= UNDER_WAY);
        if is_time {
            known.accepted = None;
        }
        is_time
    }

    /// The time now, to be persisted.
    fn to_be_kept(&self) -> Option<Kept> {
        let known = self.known();
        let moment = self.clock.monotonic();
        let generation = known.kept.as_ref()?.generation;
        Some(Kept { latest: known.steady.at(moment)?, generation, moment: self.clock.boot().map(|boot| (boot, moment)) })
    }

    /// This time is persisted.
    fn was_kept(&self, kept: Kept) {
        let mut known = self.known();
        if known.kept.as_ref().is_some_and(|before| before.generation == kept.generation) {
            known.kept = Some(kept);
        }
    }

    /// How far the clock was behind the time when it was last read.
    pub(super) fn behind(&self) -> Span {
        self.known().steady.behind()
    }

    /// What is wrong with the time, if anything is.
    pub(super) fn doubt(&self) -> Option<ClockDoubt> {
        let skew = Span::from_millis(self.skew.load(Ordering::Relaxed).saturating_abs());
        let behind = self.behind();
        match (behind > TOLERANCE, skew > TOLERANCE) {
            (true, _) => Some(ClockDoubt::WentBack(behind)),
            (false, true) => Some(ClockDoubt::Skewed(skew)),
            (false, false) => None,
        }
    }

    /// This machine's clock less the database's, in milliseconds.
    pub(super) fn skew_millis(&self) -> i64 {
        self.skew.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Takes what is persisted: no replica's time may be behind it, unless an operator has accepted the clock since.
    fn take(&mut self, kept: &Kept, moment: Monotonic, clock: &dyn Clock) {
        match self.kept.as_ref().map(|before| before.generation) {
            None => {
                self.steady.note(kept.by_now(moment, clock), moment);
                // The process that was to do it may have died.
                self.accepted = (kept.generation > 0).then_some(moment);
            }
            Some(generation) if generation == kept.generation => self.steady.note(kept.latest, moment),
            Some(_) => {
                tracing::warn!(time = %kept.latest, "an operator has accepted the clock: the time goes on from there");
                self.steady.restart(kept.latest, moment);
                self.accepted = Some(moment);
            }
        }
        self.kept = Some(kept.clone());
    }
}

impl Kept {
    /// The persisted time, and what has passed since where the same boot's clock says how much.
    fn by_now(&self, moment: Monotonic, clock: &dyn Clock) -> Timestamp {
        match &self.moment {
            Some((boot, then)) if clock.boot().as_ref() == Some(boot) => self.latest.plus(moment.since(*then)),
            _ => self.latest,
        }
    }

    /// What is persisted where an operator accepts the clock.
    pub(super) fn accepted(at: Timestamp, before: &Self) -> Self {
        Self { latest: at, generation: before.generation.saturating_add(1), moment: None }
    }

    /// Whether something that is written at `at` has to persist the time, too.
    pub(super) fn is_overdue_at(&self, at: Timestamp) -> bool {
        at.since(self.latest) >= KEPT_EVERY
    }
}

impl Store {
    /// The time that rules every decision, as far as it is known without asking the database. It never goes back.
    pub fn now_without_database(&self) -> Timestamp {
        self.time.now_without_database()
    }

    /// Persists the time where that was long enough ago; the loop that ends sessions asks once a second.
    pub async fn keep_time(&self) -> Result<(), StoreError> {
        if self.time.is_to_bring_back() {
            let mut tx = self.begin().await?;
            tx.bring_back().await?;
            tx.commit().await?;
        }
        if !self.time.is_to_be_kept() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let Some(kept) = self.time.to_be_kept() else { return Ok(()) };
        tx.keep(&kept).await?;
        tx.commit().await?;
        self.time.was_kept(kept);
        Ok(())
    }
}

impl Tx {
    async fn keep(&mut self, kept: &Kept) -> Result<(), StoreError> {
        let (boot, monotonic) = kept.moment.clone().unzip();
        sqlx::query(
            "INSERT INTO clock (singleton, latest, generation, boot, monotonic) VALUES ('this', $1, $2, $3, $4)
             ON CONFLICT (singleton) DO UPDATE SET latest = excluded.latest, boot = excluded.boot, monotonic = excluded.monotonic
             WHERE clock.latest < excluded.latest AND clock.generation = excluded.generation",
        )
        .bind(kept.latest.as_millis())
        .bind(kept.generation)
        .bind(boot)
        .bind(monotonic.map(Monotonic::as_millis))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Persists the time with an entry of the audit log, where no server has done so lately: a command beside it may be all that runs.
    pub(super) async fn keep_time_of(&mut self, at: Timestamp) -> Result<(), StoreError> {
        if !self.kept.is_overdue_at(at) {
            return Ok(());
        }
        self.keep(&Kept { latest: at, moment: None, ..self.kept.clone() }).await
    }
}

fn kept_from(row: &sqlx::any::AnyRow) -> Result<Kept, StoreError> {
    // A row that was taken away says nothing.
    let number = |column| row.try_get::<Option<i64>, _>(column);
    let boot = row.try_get::<Option<String>, _>("boot")?;
    Ok(Kept {
        latest: Timestamp::from_millis(number("latest")?.unwrap_or(0)),
        generation: number("generation")?.unwrap_or(0),
        moment: boot.zip(number("monotonic")?.map(Monotonic::from_millis)),
    })
}

impl fmt::Debug for StoreTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTime").field("from_database", &self.from_database).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
