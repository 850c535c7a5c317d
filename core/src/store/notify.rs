//! Postgres tells the other replicas that something is due: a hint, outside of the transactions that count, with polling behind it.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::Row;
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::route::Route;
use super::{Dialect, Store, StoreError};

const CHANNEL: &str = "entryguard_due";

/// How long a listener may hear nothing before it makes sure that it still would: a connection that was cut off is silent.
const SILENCE: Duration = Duration::from_secs(20);
/// How long the server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Hears what other replicas tell. It connects again by itself when its connection breaks.
pub struct Listener(PgListener);

impl Store {
    /// Tells every replica on this database to look. Only Postgres has others to tell.
    pub async fn tell_others(&self) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            let mut connection = self.pool.lend().await?;
            connection.begin(self.dialect.begin()).await?;
            sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut *connection).await?;
            connection.commit().await?;
        }
        Ok(())
    }

    /// Whether nobody else serves this database.
    pub fn has_no_other_replicas(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// Listens to the other replicas; nothing with SQLite, which has none, and behind a pooler, where nothing would be heard: polling is
    /// left.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        if self.dialect == Dialect::Sqlite || self.pool.route() == Route::Pooled {
            return Ok(None);
        }
        let listening = async {
            let mut listener = PgListener::connect(self.url.expose_secret()).await?;
            listener.listen(CHANNEL).await?;
            Ok(Some(Listener(listener)))
        };
        timeout(ANSWERS_WITHIN, listening).await.unwrap_or(Err(StoreError::NoAnswer))
    }
}

impl Listener {
    /// Waits until somebody tells something, or may have while the connection was broken.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        loop {
            match timeout(SILENCE, self.0.try_recv()).await {
                Ok(heard) => return Ok(heard.map(drop)?),
                Err(_) => timeout(ANSWERS_WITHIN, self.check()).await.unwrap_or(Err(StoreError::NoAnswer))?,
            }
        }
    }

    /// Makes sure that the connection works, and leads to the server that the others write to.
    async fn check(&mut self) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT pg_is_in_recovery() AS standby").fetch_one(&mut self.0).await?;
        if row.try_get("standby")? { Err(StoreError::NoAnswer) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}
