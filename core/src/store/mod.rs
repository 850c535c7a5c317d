//! SQL, one file a table family, and nothing outside this folder writes any.
//!
//! One text serves SQLite and Postgres; where the dialects must differ, [`dialect`] says so. Every use case is one [`Tx`].
//! Locks are always taken in the same order, so that no two transactions wait for each other: a member, then resources by
//! name, then sessions by id, then the audit log's head.

mod accept_clock;
mod api_keys;
mod audit;
mod audit_check;
mod audit_search;
mod blocks;
mod buckets;
mod confirmations;
mod connection;
mod connector;
mod departed;
mod deployment;
mod dialect;
mod error;
mod file;
mod idempotency;
mod joins;
mod known;
mod leases;
mod notify;
mod open;
mod open_rules;
mod openings;
mod outage;
mod own_files;
mod panics;
mod pool;
mod posts;
mod presence;
mod quarantine;
mod replay;
mod route;
mod rows;
mod schedules;
mod session_keys;
mod session_list;
mod session_rules;
mod sessions;
mod stats;
mod sweeps;
mod tables;
mod time;
mod trial;
mod turns;
mod waits;
mod web_sessions;
mod webhooks;

use std::time::Duration;

use secrecy::SecretString;

pub use audit::{AuditRange, LogPlace};
pub use audit_search::AuditFilter;
pub use blocks::{BlockedGrants, DueAddition};
pub use confirmations::{Confirmation, Confirmed, Remembered};
use dialect::Dialect;
pub use error::StoreError;
pub use leases::{Claimable, Lease};
pub use notify::Listener;
pub use open::StoreUrl;
pub use open_rules::OpenRule;
pub use outage::Outage;
use pool::{Pool, PooledConnection};
pub use posts::{ChatPost, EVERYWHERE, NewPost};
pub use presence::PresentOpening;
pub use schedules::Scheduled;
pub use session_list::{Listed, SessionFilter, SessionView};
pub use stats::Stats;
pub use sweeps::LastSweep;
pub use time::ClockDoubt;
use time::StoreTime;
pub use trial::StoreFailure;
use trial::Trials;
pub use turns::Turn;
pub use web_sessions::{CookieHashes, SignInLink, WebSession};
pub use webhooks::{Delivery, Undelivered};

use crate::domain::Timestamp;

/// How long a healthy database never takes.
const SLOW: Duration = Duration::from_secs(1);

/// The database.
#[derive(Debug)]
pub struct Store {
    pool: Pool,
    dialect: Dialect,
    time: StoreTime,
    // Where to listen.
    url: SecretString,
    // Held for as long as the store: a second process on the same SQLite file must not start.
    _lock: Option<std::fs::File>,
    trials: Trials,
}

/// One transaction. Dropped without [`Tx::commit`], it changes nothing.
pub struct Tx {
    inner: PooledConnection,
    dialect: Dialect,
    now: Timestamp,
    kept: time::Kept,
    audit: audit::Unwritten,
    threads: posts::ChangedThreads,
}

impl Store {
    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let mut inner = self.pool.lend().await?;
        inner.begin(self.dialect.begin()).await?;
        let (now, kept) = self.time.read(&mut inner).await?;
        Ok(Tx { inner, dialect: self.dialect, now, kept, audit: Default::default(), threads: Default::default() })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.begin().await.map(drop)
    }

    /// What is wrong with the database, as far as is known without asking it: no connection could be opened the last time, or a caller
    /// has waited for it for longer than a second.
    pub fn outage(&self) -> Option<Outage> {
        let is_slow = self.pool.longest_wait().is_some_and(|wait| wait > SLOW);
        self.pool.outage().map(|why| why.outage()).or_else(|| is_slow.then_some(Outage::Slow))
    }

    /// What is wrong with the time as of the last transaction, if anything is.
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.time.doubt()
    }

    /// This machine's clock less the database's, in milliseconds.
    pub fn clock_skew_millis(&self) -> i64 {
        self.time.skew_millis()
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Tx {
    /// The time at which the transaction began: what it compares with, and what it writes down.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// The database fails. Where its answer was lost, the transaction may have been committed ([`Outage::OutcomeUnknown`]).
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.write_threads().await?;
        self.write_entries().await?;
        self.inner.commit().await
    }
}

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod outage_tests;
