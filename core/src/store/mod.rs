//! SQL, one file a table family, and nothing outside this folder writes any.
//!
//! One text serves SQLite and Postgres; where the dialects must differ, [`dialect`] says so. Every use case is one [`Tx`].
//! Locks are always taken in the same order, so that no two transactions wait for each other: a member, then resources by
//! name, then sessions by id, then the audit log's head.

mod audit;
mod confirmations;
mod deployment;
mod dialect;
mod error;
mod leases;
mod open;
mod openings;
mod replay;
mod rows;
mod session_rules;
mod sessions;
mod threads;

use sqlx::{Any, AnyPool, Transaction};

pub use confirmations::Confirmation;
use dialect::Dialect;
pub use error::StoreError;
pub use leases::Lease;
pub use open::StoreUrl;
pub use sessions::{SessionFilter, SessionView};
pub use threads::{ChatThread, NewThread};

/// The database.
#[derive(Debug)]
pub struct Store {
    pool: AnyPool,
    dialect: Dialect,
    // Held for as long as the store: a second process on the same SQLite file must not start.
    _lock: Option<std::fs::File>,
}

/// One transaction. Dropped without [`Tx::commit`], it changes nothing.
pub struct Tx {
    inner: Transaction<'static, Any>,
    dialect: Dialect,
}

impl Store {
    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = self.pool.begin_with(self.dialect.begin()).await?;
        Ok(Tx { inner, dialect: self.dialect })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Tx {
    /// Makes it all true.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }
}
