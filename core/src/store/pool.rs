//! The connections to the database. One on which anything failed is closed and replaced, never lent again.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::StoreError;
use super::connection::{CheckedConnection, State};
use super::connector::Connector;
use super::file::Fate;
use super::route::Route;
use super::waits::Waits;

/// How long a caller waits for a connection that others use.
const FREE_WITHIN: Duration = Duration::from_secs(10);
/// How long it waits for a new one; opening one takes time on a busy machine, and from a server far away.
const OPENED_WITHIN: Duration = Duration::from_secs(5);
/// How long it waits for either while no new one can be opened: people are told within 2 s.
const IN_AN_OUTAGE: Duration = Duration::from_millis(1200);
/// How long an attempt goes on after its caller has given up: a server far away may take longer, and the next caller finds its connection.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long an idle connection may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
/// How long a transaction may take to be rolled back, and a connection to be closed.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection to a server stays open without use, and at all.
const IDLE_FOR: Duration = Duration::from_secs(10 * 60);
const LASTS: Duration = Duration::from_secs(30 * 60);

/// The connections to one database.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    connector: Connector,
    size: u32,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    // Why no connection could be opened the last time.
    outage: watch::Sender<Option<Arc<StoreError>>>,
    waits: Arc<Waits>,
}

struct Idle {
    connection: AnyConnection,
    opened_at: Instant,
    since: Instant,
}

/// A connection that its caller has to itself. When it is dropped, an open transaction is rolled back, and what is good is lent again.
pub(super) struct PooledConnection {
    checked: CheckedConnection,
    opened_at: Instant,
    pool: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    /// At most `size` connections.
    pub(super) fn new(connector: Connector, size: u32) -> Self {
        let free = Arc::new(Semaphore::new(size as usize));
        let (idle, waits, outage) = (Mutex::default(), Arc::default(), watch::Sender::new(None));
        Self(Arc::new(Shared { connector, size, free, idle, outage, waits }))
    }

    /// A connection that works. One caller opens a new one, and the others wait.
    pub(super) async fn lend(&self) -> Result<PooledConnection, StoreError> {
        let _wait = Waits::begin(&self.0.waits);
        let permit = self.permit().await?;
        let (permit, fate) = self.look_at_file(permit).await?;
        match self.0.usable(fate).await {
            Some(Idle { connection, opened_at, .. }) => {
                self.0.outage.send_if_modified(|outage| outage.take().is_some());
                Ok(Shared::lent(&self.0, connection, opened_at, permit))
            }
            None => self.open(permit).await,
        }
    }

    /// A connection to read with. Behind a pooler it is in a transaction, so that all of a statement's messages reach one session.
    pub(super) async fn reader(&self) -> Result<PooledConnection, StoreError> {
        let mut connection = self.lend().await?;
        if connection.route() == Route::Pooled {
            connection.begin("BEGIN").await?;
        }
        Ok(connection)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let mut outage = self.0.outage.subscribe();
        let no_new_one = async move {
            let found = outage.wait_for(Option::is_some).await.ok().and_then(|outage| Option::clone(&outage));
            sleep(IN_AN_OUTAGE).await;
            found
        };
        tokio::select! {
            biased;
            permit = Arc::clone(&self.0.free).acquire_owned() => permit.map_err(|_| StoreError::Closed),
            outage = no_new_one => Err(outage.map_or(StoreError::Closed, StoreError::Shared)),
            () = sleep(FREE_WITHIN) => Err(StoreError::Busy),
        }
    }

    /// What became of the database's file. The permit stays with a look that a hung disk does not answer, so that no more than one waits for
    /// each connection.
    async fn look_at_file(&self, permit: OwnedSemaphorePermit) -> Result<(OwnedSemaphorePermit, Option<Fate>), StoreError> {
        if !self.0.connector.is_file() {
            return Ok((permit, None));
        }
        let shared = Arc::clone(&self.0);
        let look = spawn_blocking(move || shared.connector.fate().map(|fate| (permit, fate)));
        match timeout(ANSWERS_WITHIN, look).await {
            Ok(found) => found.unwrap_or(Err(StoreError::Interrupted)),
            Err(_) => {
                self.0.outage.send_replace(Some(Arc::new(StoreError::NoAnswer)));
                Err(StoreError::NoAnswer)
            }
        }
    }

    /// Opens one in a task of its own, so that no caller who goes away leaves it half open.
    async fn open(&self, permit: OwnedSemaphorePermit) -> Result<PooledConnection, StoreError> {
        let patience = if self.outage().is_some() { IN_AN_OUTAGE } else { OPENED_WITHIN };
        let shared = Arc::clone(&self.0);
        let mut attempt = tokio::spawn(async move {
            let opened = timeout(ATTEMPT, shared.connector.connect()).await.unwrap_or(Err(StoreError::NoAnswer));
            let opened = opened.map_err(Arc::new);
            shared.outage.send_replace(opened.as_ref().err().cloned());
            opened.map(|connection| Shared::lent(&shared, connection, Instant::now(), permit))
        });
        match timeout(patience, &mut attempt).await {
            Ok(Ok(opened)) => opened.map_err(StoreError::Shared),
            Ok(Err(_)) => Err(StoreError::Interrupted),
            Err(_) => {
                self.0.outage.send_if_modified(|outage| {
                    let is_new = outage.is_none() && !attempt.is_finished();
                    if is_new {
                        *outage = Some(Arc::new(StoreError::NoAnswer));
                    }
                    is_new
                });
                Err(StoreError::NoAnswer)
            }
        }
    }

    /// Why no connection can be opened, if none can.
    pub(super) fn outage(&self) -> Option<Arc<StoreError>> {
        self.0.outage.borrow().clone()
    }

    /// How long the oldest of those who wait for the database has waited.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        self.0.waits.longest()
    }

    /// How the database is reached.
    pub(super) fn route(&self) -> Route {
        self.0.connector.route()
    }

    /// From now on, whose database each new connection has to lead to.
    pub(super) fn belongs_to(&self, deployment: &str) {
        self.0.connector.belongs_to(deployment);
    }

    /// Gives each connection these settings besides, those that are open included.
    #[cfg(any(test, feature = "testing"))]
    pub(super) async fn set_further(&self, settings: &[&'static str]) {
        self.0.connector.set_further(settings);
        let _all = self.0.free.acquire_many(self.0.size).await;
        for idle in self.0.take_idle() {
            let _ = idle.connection.close().await;
        }
    }

    /// A test that holds it is a disk that hangs.
    #[cfg(test)]
    pub(super) fn disk(&self) -> Option<Arc<Mutex<()>>> {
        self.0.connector.disk()
    }

    /// Closes every connection, once each has been given back.
    pub(super) async fn close(&self) {
        let all = timeout(ENDS_WITHIN, self.0.free.acquire_many(self.0.size)).await;
        self.0.free.close();
        drop(all);
        for idle in self.0.take_idle() {
            let _ = timeout(ENDS_WITHIN, idle.connection.close()).await;
        }
    }
}

impl Shared {
    fn lent(this: &Arc<Self>, connection: AnyConnection, opened_at: Instant, permit: OwnedSemaphorePermit) -> PooledConnection {
        PooledConnection { checked: this.checked(connection), opened_at, pool: Arc::clone(this), permit: Some(permit) }
    }

    fn checked(&self, connection: AnyConnection) -> CheckedConnection {
        CheckedConnection::new(connection, self.connector.route(), self.connector.limit(), Arc::clone(&self.waits))
    }

    /// An idle connection that works. What does not is closed, and with one all that were opened before the server went away.
    async fn usable(&self, fate: Option<Fate>) -> Option<Idle> {
        while let Some(mut idle) = self.pop() {
            match fate {
                Some(Fate::Same) => return Some(idle),
                Some(Fate::Changed) => close(idle.connection).await,
                None if idle.opened_at.elapsed() > LASTS => close(idle.connection).await,
                None => {
                    if matches!(timeout(ANSWERS_WITHIN, idle.connection.ping()).await, Ok(Ok(()))) {
                        return Some(idle);
                    }
                    drop(idle);
                    drop(self.take_idle());
                }
            }
        }
        None
    }

    fn pop(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn take_idle(&self) -> Vec<Idle> {
        std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a good connection back; those to a server that have not been used for long, which are to be closed.
    fn take_back(&self, connection: AnyConnection, opened_at: Instant) -> Vec<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { connection, opened_at, since: Instant::now() });
        if self.connector.is_file() {
            return Vec::new();
        }
        let kept = idle.iter().position(|idle| idle.since.elapsed() < IDLE_FOR).unwrap_or(idle.len());
        idle.drain(..kept).collect()
    }
}

impl PooledConnection {
    /// Ends the transaction; only then is what it changed there for others.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.checked.control("COMMIT", State::Idle).await.map_err(StoreError::commit)
    }
}

impl Deref for PooledConnection {
    type Target = CheckedConnection;

    fn deref(&self) -> &CheckedConnection {
        &self.checked
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut CheckedConnection {
        &mut self.checked
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let state = self.checked.state();
        let (Some(connection), Ok(runtime)) = (self.checked.take(), Handle::try_current()) else { return };
        let (pool, opened_at, permit) = (Arc::clone(&self.pool), self.opened_at, self.permit.take());
        let unused = match state {
            State::Idle => pool.take_back(connection, opened_at),
            // The next caller waits for the permit, and so until this has ended one way or the other.
            State::Unusable => return drop(runtime.spawn(with(permit, close(connection)))),
            State::InTransaction => return drop(runtime.spawn(with(permit, roll_back(pool, connection, opened_at)))),
        };
        if !unused.is_empty() {
            runtime.spawn(close_all(unused));
        }
    }
}

async fn with<T>(_permit: Option<OwnedSemaphorePermit>, work: impl Future<Output = T>) -> T {
    work.await
}

/// Rolls the transaction back; the connection is lent again only where that has succeeded.
async fn roll_back(pool: Arc<Shared>, connection: AnyConnection, opened_at: Instant) {
    let mut checked = pool.checked(connection);
    let rolled_back = timeout(ENDS_WITHIN, checked.control("ROLLBACK", State::Idle)).await;
    let Some(connection) = checked.take() else { return };
    match rolled_back {
        Ok(Ok(())) => close_all(pool.take_back(connection, opened_at)).await,
        Ok(Err(_)) | Err(_) => close(connection).await,
    }
}

async fn close_all(unused: Vec<Idle>) {
    for idle in unused {
        close(idle.connection).await;
    }
}

/// Closes what may not answer any more.
async fn close(connection: AnyConnection) {
    let _ = timeout(ENDS_WITHIN, connection.close()).await;
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("size", &self.0.size).finish_non_exhaustive()
    }
}
