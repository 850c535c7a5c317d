//! The use cases, one file each. Each is one transaction that changes what is wanted, writes the audit event and marks the touched
//! openings due. None of them calls a cloud, so each answers in milliseconds.

mod accept;
mod administer;
mod apart;
mod api_key;
mod approve;
mod audit;
mod begin;
mod blocked;
mod caller;
mod clock;
mod deliveries;
mod departed;
mod digest;
mod directories;
mod emergency;
mod ending;
mod error;
mod extend;
mod guard;
mod health;
mod idempotency;
mod join;
mod know;
mod leave;
mod list;
mod losses;
mod move_session;
mod offer;
mod offering;
mod panic;
mod posts;
mod readiness;
mod remember;
mod revoke;
mod run;
mod scheduled;
mod seal_key;
mod session_key;
mod shorten;
mod sign_in;
mod start;
mod stats;
mod stop;
mod telling;
#[cfg(test)]
mod testing;
mod visit;

use std::sync::Arc;

use accept::Accepting;
use directories::Directories;
use health::Healths;
use offering::Offering;

use crate::clock::Clock;
use crate::domain::{Directory, SessionId, Timestamp, WebLimits};
use crate::random::SharedRandom;
use crate::reconcile::{Nudges, Pulse};
use crate::store::{Store, StoreError};

pub use crate::store::{AuditFilter, Listed, Outage, Remembered, Turn};
pub use api_key::{ApiKeyError, ApiKeyRefused, KeyRequest, api_keys, close_sessions_of_api_key, create_api_key, revoke_api_key};
pub use approve::Verdict;
pub use audit::AuditPart;
pub use caller::Caller;
pub use clock::{AcceptedClock, ClockNotAccepted, ClockState, accept_clock, clock_state};
pub use deliveries::{Due, NotTaken};
pub use departed::BeforeAsking;
pub use digest::Untold;
pub use emergency::{Emergency, Lifted};
use ending::end_because;
pub(crate) use ending::end_session;
pub use error::EngineError;
pub use extend::Extended;
pub use guard::GUARDS;
pub use health::{Healthy, ResourceHealth};
pub use idempotency::Idempotency;
pub use join::{IssuedCode, JoinCode, Joining};
pub use list::{Page, Whose};
pub use losses::{Loss, losses_by};
pub use move_session::Moved;
pub use offer::{Link, Offer, OfferRequest, Token};
pub use panic::{PanicClosed, close_at_once, finish_panics, lift_panic, panics_in_force};
pub use posts::ViewWithTurns;
pub use readiness::{OpeningsRefused, Readiness};
pub use session_key::{NoSessionKey, SessionKey};
pub use sign_in::{IssuedSignIn, SignedIn, SigningIn};
pub use start::{StartRequest, Started};
pub use stats::Stats;
pub use stop::Which;
pub use telling::ANNOUNCEMENT;
pub use visit::{Visit, WebCookie};

/// The use cases.
#[derive(Clone)]
pub struct Engine {
    store: Arc<Store>,
    directories: Arc<Directories>,
    clock: Arc<dyn Clock>,
    random: SharedRandom,
    nudges: Arc<Nudges>,
    pulse: Arc<Pulse>,
    accepting: Arc<Accepting>,
    offering: Arc<Offering>,
    healths: Arc<Healths>,
    logins: bool,
    pages: Option<WebLimits>,
}

impl Engine {
    /// An engine over a database.
    pub fn new(
        store: Arc<Store>,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        random: SharedRandom,
        nudges: Arc<Nudges>,
        pulse: Arc<Pulse>,
    ) -> Self {
        let (accepting, offering, healths) = Default::default();
        let directories = Arc::new(Directories::new(directory));
        Self { store, directories, clock, random, nudges, pulse, accepting, offering, healths, logins: false, pages: None }
    }

    /// The same, where people can sign in at GitHub to join their login.
    pub fn with_logins(self) -> Self {
        Self { logins: true, ..self }
    }

    /// The same, where people can sign in to the pages, and for how long.
    pub fn with_pages(self, limits: WebLimits) -> Self {
        Self { pages: Some(limits), ..self }
    }

    /// The time that rules every decision. It never goes back.
    pub fn now(&self) -> Timestamp {
        self.store.now_without_database()
    }

    /// What this machine's wall clock says, right or wrong: only to compare with times that others have signed.
    pub fn wall_clock(&self) -> Timestamp {
        self.clock.now()
    }

    /// A time for what is kept in memory alone, and no time of day: it does not go back where an operator accepts the clock, either.
    pub fn uptime(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.monotonic().as_millis())
    }

    /// Counts what may have changed of sessions, as far as this process hears of it; other replicas' changes may be missing.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.nudges.changes()
    }

    /// Whether this process hears of every change, since no other one makes any but for commands beside it.
    pub fn hears_every_change(&self) -> bool {
        self.store.has_no_other_replicas()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), EngineError> {
        Ok(self.store.ping().await?)
    }

    /// What is wrong with the database, as far as is known without asking it.
    pub fn outage(&self) -> Option<Outage> {
        self.store.outage()
    }

    /// Does a step to each, apart from the others, as [`apart::to_each`] says.
    async fn to_each<F>(&self, ids: &[SessionId], step: impl Fn(SessionId) -> F) -> Result<usize, EngineError>
    where
        F: Future<Output = Result<bool, StoreError>>,
    {
        Ok(apart::to_each(&self.store, self.random.as_ref(), ids, step).await?)
    }

    /// What a step finds, [`apart::past_unreadable`] rows.
    async fn past_unreadable<T, F>(&self, step: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        apart::past_unreadable(&self.store, self.random.as_ref(), step).await
    }

    /// Sets aside the row that an error is about, if it is about one: nobody should be kept out by it for ever.
    async fn set_aside(&self, error: &StoreError) -> bool {
        self.store.set_aside(error, self.random.as_ref()).await.unwrap_or(false)
    }

    fn nudge_all(&self) {
        self.nudges.wake();
        self.nudges.others.notify_one();
    }
}
