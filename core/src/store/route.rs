//! How a Postgres is reached: directly, or through a pooler that gives each transaction another of the server's sessions (PgBouncer with
//! `pool_mode = transaction`, RDS Proxy). There, no statement may be prepared under a name, for that name would be another statement's in
//! the next session, and no setting or lock of a session may be relied on.

use std::collections::BTreeSet;

use sqlx::any::{AnyArguments, AnyConnectOptions, AnyStatement};
use sqlx::error::BoxDynError;
use sqlx::{Any, AnyConnection, Connection, Execute, Row, SqlStr};

use super::StoreError;

/// What a transaction begins with behind a pooler: a setting of the session would be left to the next client of it.
const BEGIN_POOLED: &str = "BEGIN READ WRITE; SET LOCAL idle_in_transaction_session_timeout = '10s'";
/// How many connections are looked at, each twice, to know the route.
const PROBES: usize = 3;

/// How the database is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A connection is one session of the server's.
    Sessions,
    /// Each transaction may be in another session.
    Pooled,
}

impl Route {
    /// Finds out by asking several connections twice which session of the server's they are in: those that are sessions of their own
    /// stay in it, and no other one is in it. Behind a pooler that has as many sessions as there are connections, they still move.
    ///
    /// # Errors
    /// The database cannot be reached, or its pooler refuses what every connection begins with.
    pub(super) async fn find(options: &AnyConnectOptions) -> Result<Self, StoreError> {
        let mut probes = Vec::with_capacity(PROBES);
        for _ in 0..PROBES {
            probes.push(AnyConnection::connect_with(options).await.map_err(refused)?);
        }
        let mut seen = [Vec::new(), Vec::new()];
        for round in &mut seen {
            for probe in &mut probes {
                let row = sqlx::raw_sql("SELECT pg_backend_pid() AS session").fetch_one(&mut *probe).await?;
                round.push(row.try_get::<i32, _>("session")?);
            }
        }
        for probe in probes {
            probe.close().await?;
        }
        let different: BTreeSet<_> = seen[0].iter().collect();
        if seen[0] == seen[1] && different.len() == PROBES {
            return Ok(Self::Sessions);
        }
        tracing::info!("the database is reached through a pooler of transactions: replicas hear of each other by polling");
        Ok(Self::Pooled)
    }

    /// How a transaction begins that would begin with `begin` in a session of its own.
    pub(super) const fn begin(self, begin: &'static str) -> &'static str {
        match self {
            Self::Sessions => begin,
            Self::Pooled => BEGIN_POOLED,
        }
    }
}

fn refused(error: sqlx::Error) -> StoreError {
    match error.to_string().contains("unsupported startup parameter") {
        true => StoreError::PoolerRefuses(error),
        false => StoreError::Database(error),
    }
}

/// A query whose statement has no name, and ends with it.
pub(super) struct Unnamed<E>(pub(super) E);

impl<'q, E: Execute<'q, Any>> Execute<'q, Any> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&AnyStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<AnyArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}
