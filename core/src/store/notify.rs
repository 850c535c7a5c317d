//! Postgres tells the other replicas that something is due: a hint, outside of the transactions that count, with polling behind it.

use secrecy::ExposeSecret;
use sqlx::postgres::PgListener;

use super::{Dialect, Store, StoreError};

const CHANNEL: &str = "entryguard_due";

/// Hears what other replicas tell. It connects again by itself when its connection breaks.
pub struct Listener(PgListener);

impl Store {
    /// Tells every replica on this database to look. Only Postgres has others to tell.
    pub async fn tell_others(&self) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Whether nobody else serves this database.
    pub fn has_no_other_replicas(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// Listens to the other replicas; nothing with SQLite, which has none.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        if self.dialect == Dialect::Sqlite {
            return Ok(None);
        }
        let mut listener = PgListener::connect(self.url.expose_secret()).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Listener(listener)))
    }
}

impl Listener {
    /// Waits until somebody tells something, or may have while the connection was broken.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        self.0.try_recv().await?;
        Ok(())
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}
