//! SQL, one file a table family, and nothing outside this folder writes any.
//!
//! One text serves SQLite and Postgres; where the dialects must differ, [`dialect`] says so. Every use case is one [`Tx`].
//! Locks are always taken in the same order, so that no two transactions wait for each other: a member, then resources by
//! name, then sessions by id, then the audit log's head.

mod api_keys;
mod audit;
mod audit_check;
mod audit_search;
mod blocks;
mod buckets;
mod confirmations;
mod departed;
mod deployment;
mod dialect;
mod error;
mod idempotency;
mod joins;
mod known;
mod leases;
mod notify;
mod open;
mod openings;
mod panics;
mod posts;
mod quarantine;
mod replay;
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
mod turns;
mod web_sessions;
mod webhooks;

use secrecy::SecretString;
use sqlx::{Any, AnyPool, Transaction};

pub use audit::AuditRange;
pub use audit_search::AuditFilter;
pub use blocks::BlockedGrants;
pub use confirmations::{Confirmation, Confirmed, Remembered};
use dialect::Dialect;
pub use error::StoreError;
pub use leases::{Claimable, Lease};
pub use notify::Listener;
pub use open::StoreUrl;
pub use posts::{ChatPost, EVERYWHERE, NewPost};
pub use schedules::Scheduled;
pub use session_list::{Listed, SessionFilter, SessionView};
pub use stats::Stats;
pub use sweeps::LastSweep;
pub use time::ClockDoubt;
use time::StoreTime;
pub use turns::Turn;
pub use web_sessions::{CookieHashes, SignInLink, WebSession};
pub use webhooks::{Delivery, Undelivered};

use crate::domain::Timestamp;

/// The database.
#[derive(Debug)]
pub struct Store {
    pool: AnyPool,
    dialect: Dialect,
    time: StoreTime,
    // Where to listen.
    url: SecretString,
    // Held for as long as the store: a second process on the same SQLite file must not start.
    _lock: Option<std::fs::File>,
}

/// One transaction. Dropped without [`Tx::commit`], it changes nothing.
pub struct Tx {
    inner: Transaction<'static, Any>,
    dialect: Dialect,
    now: Timestamp,
}

impl Store {
    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let mut inner = self.pool.begin_with(self.dialect.begin()).await?;
        let now = self.time.read(&mut inner).await?;
        Ok(Tx { inner, dialect: self.dialect, now })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.begin().await.map(drop)
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

    /// Makes it all true.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }
}
