//! Opening is refused where closing is not certain: when nobody would notice that time has run out, or what time it is.

use super::{Engine, EngineError};
use crate::domain::Span;
use crate::reconcile::Blindness;
use crate::store::{ClockDoubt, StoreFailure, Tx};

/// Why nothing is opened for now. Closing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningsRefused {
    /// What is written may be lost.
    #[error("EntryGuard opens nothing for now, because {0}. Closing goes on.")]
    Store(StoreFailure),
    /// The database takes commits, and no step of closing succeeds.
    #[error(
        "EntryGuard opens nothing for now, because its database takes no work; for {0}, overdue rules have been closed without it, by \
         their tags. Closing goes on."
    )]
    Offline(Span),
    /// What closes things does not.
    #[error("EntryGuard opens nothing for now, because {0}. Closing goes on. Whoever runs EntryGuard should read its log.")]
    Blind(Blindness),
    /// The time is not certain.
    #[error("EntryGuard opens nothing for now, because {0}. Closing goes on.")]
    Clock(ClockDoubt),
}

/// What there is to say of each part that closing takes; nothing where all is well with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The database, as the last trial commit has shown it.
    pub store: Option<StoreFailure>,
    /// For how long this process has closed by the tags on the rules, without the database; nothing where it does not.
    pub offline: Option<Span>,
    /// The loop that ends sessions.
    pub expiry: Option<Blindness>,
    /// The sweep.
    pub sweep: Option<Blindness>,
    /// The time.
    pub clock: Option<ClockDoubt>,
}

impl Readiness {
    /// Why nothing is opened, if nothing is: the first that is amiss.
    pub fn refused(&self) -> Option<OpeningsRefused> {
        let offline = || self.offline.map(OpeningsRefused::Offline);
        let store = self.store.map(OpeningsRefused::Store).or_else(offline);
        let blind = || self.expiry.or(self.sweep).map(OpeningsRefused::Blind);
        store.or_else(blind).or_else(|| self.clock.map(OpeningsRefused::Clock))
    }
}

impl Engine {
    /// Begins a transaction that may open something.
    pub(super) async fn begin_opening(&self) -> Result<Tx, EngineError> {
        let mut tx = self.store.begin().await?;
        // After the transaction has begun: it has just told the time.
        if let Some(refused) = self.refused() {
            return Err(refused.into());
        }
        self.catch_up_in(&mut tx).await?;
        Ok(tx)
    }

    /// Why nothing is opened, if nothing is.
    pub fn refused(&self) -> Option<OpeningsRefused> {
        self.readiness().refused()
    }

    /// How each part is that closing takes.
    pub fn readiness(&self) -> Readiness {
        let (expiry, sweep) = self.pulse.blindnesses();
        let (store, offline) = (self.store.failure(), self.pulse.offline_for());
        Readiness { store, offline, expiry, sweep, clock: self.store.clock_doubt() }
    }
}
