//! A connection to the database that knows whether it can be used again.
//!
//! SQLite rolls a transaction back by itself on `FULL`, `IOERR` and `NOMEM`: what followed on that connection would be committed
//! statement by statement, and its `ROLLBACK` fails. Postgres answers the `COMMIT` of a transaction in which a statement has failed with
//! `ROLLBACK`, and no error. So a statement that failed or was cancelled ends the use of its connection: nothing more runs on it, it does
//! not commit, and the pool replaces it.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use sqlx::any::{Any, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{AnyConnection, Describe, Either, Error, Execute, Executor, SqlStr};
use tokio::time::{Sleep, sleep, timeout};

use super::route::{Route, Unnamed};
use super::waits::{Wait, Waits};

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No transaction is open.
    Idle,
    /// A transaction is open, and each of its statements has succeeded.
    InTransaction,
    /// A statement is under way, failed, or was cancelled.
    Unusable,
}

/// A connection, and what is known of it. `&mut CheckedConnection` runs queries.
#[derive(Debug)]
pub(super) struct CheckedConnection {
    connection: Option<AnyConnection>,
    state: State,
    route: Route,
    // How long one statement may take.
    limit: Duration,
    waits: Arc<Waits>,
}

impl CheckedConnection {
    pub(super) fn new(connection: AnyConnection, route: Route, limit: Duration, waits: Arc<Waits>) -> Self {
        Self { connection: Some(connection), state: State::Idle, route, limit, waits }
    }

    pub(super) const fn route(&self) -> Route {
        self.route
    }

    /// Begins a transaction with `begin`, or with what a pooler takes.
    pub(super) async fn begin(&mut self, begin: &'static str) -> Result<(), Error> {
        self.control(self.route.begin(begin), State::InTransaction).await
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// Takes the connection out.
    pub(super) const fn take(&mut self) -> Option<AnyConnection> {
        self.state = State::Unusable;
        self.connection.take()
    }

    /// The bare connection, for work that sees to its own transactions. It is closed afterwards, unless
    /// [`CheckedConnection::is_sound`] follows.
    pub(super) fn bare(&mut self) -> Result<&mut AnyConnection, Error> {
        self.state = State::Unusable;
        self.connection.as_mut().ok_or_else(unusable)
    }

    /// The work on the bare connection succeeded, and has left no transaction open.
    pub(super) const fn is_sound(&mut self) {
        self.state = State::Idle;
    }

    /// Begins, commits or rolls back, and is then in the state `after`. Failed or cancelled, it leaves the connection unusable.
    pub(super) async fn control(&mut self, statement: &'static str, after: State) -> Result<(), Error> {
        let running = self.run()?;
        within(running.limit, running.connection.execute(statement)).await?;
        *running.state = after;
        Ok(())
    }

    /// Marks that a statement is under way.
    fn run(&mut self) -> Result<Running<'_>, Error> {
        let Self { connection, state, route, limit, waits } = self;
        let connection = connection.as_mut().filter(|_| *state != State::Unusable).ok_or_else(unusable)?;
        let before = mem::replace(state, State::Unusable);
        Ok(Running { connection, state, before, route: *route, limit: *limit, _wait: Waits::begin(waits) })
    }
}

/// A statement that is under way.
struct Running<'a> {
    connection: &'a mut AnyConnection,
    state: &'a mut State,
    before: State,
    route: Route,
    limit: Duration,
    _wait: Wait,
}

impl<'c> Executor<'c> for &'c mut CheckedConnection {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match self.run() {
            Ok(Running { connection, state, before, route, limit, _wait }) => {
                let rows = match route {
                    Route::Sessions => connection.fetch_many(query),
                    Route::Pooled => connection.fetch_many(Unnamed(query)),
                };
                let deadline = Box::pin(sleep(limit));
                Rows { rows, state, before, limit, deadline, _wait }.boxed()
            }
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(async move {
            let running = self.run()?;
            let row = match running.route {
                Route::Sessions => running.connection.fetch_optional(query),
                Route::Pooled => running.connection.fetch_optional(Unnamed(query)),
            };
            let row = within(running.limit, row).await?;
            *running.state = running.before;
            Ok(row)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let running = self.run()?;
            let statement = running.connection.prepare_with(sql, parameters).await?;
            *running.state = running.before;
            Ok(statement)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let running = self.run()?;
            let described = running.connection.describe(sql).await?;
            *running.state = running.before;
            Ok(described)
        })
    }
}

/// The rows of a statement. The connection can be used again once all have come.
struct Rows<'a> {
    rows: BoxStream<'a, Result<Either<AnyQueryResult, AnyRow>, Error>>,
    state: &'a mut State,
    before: State,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    _wait: Wait,
}

impl Stream for Rows<'_> {
    type Item = Result<Either<AnyQueryResult, AnyRow>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.rows.as_mut().poll_next(context) {
            Poll::Ready(None) => {
                *self.state = self.before;
                Poll::Ready(None)
            }
            // What has failed stays unusable, also where the stream ends properly after its error.
            Poll::Ready(Some(Err(error))) => {
                self.before = State::Unusable;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(row) => Poll::Ready(row),
            Poll::Pending => self.deadline.as_mut().poll(context).map(|()| Some(Err(timed_out(self.limit)))),
        }
    }
}

/// What a statement answers, in time.
async fn within<T>(limit: Duration, statement: BoxFuture<'_, Result<T, Error>>) -> Result<T, Error> {
    timeout(limit, statement).await.unwrap_or_else(|_| Err(timed_out(limit)))
}

fn timed_out(limit: Duration) -> Error {
    let why = format!("a statement had no answer within {} s", limit.as_secs());
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}

fn unusable() -> Error {
    Error::AnyDriverError("an earlier statement on this connection failed, so nothing more runs on it".into())
}
