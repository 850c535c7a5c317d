//! Makes the clouds agree with what is wanted.
//!
//! A pass takes no input: a timer or a nudge starts it, and it reads what is wanted and what is there. For one resource it
//! 1. plans from the openings and the wishes alone ([`plan`]), within what the provider lets us call ([`purse`]);
//! 2. leases the resource, so that nobody else acts on it, and **writes its intent before the call** ([`claim`]);
//! 3. calls the provider: removals first, then additions, then marks, each in one batch; then reads back ([`act`]);
//! 4. judges every opening by what was read, and not by what a call answered ([`judge`]);
//! 5. records it under the lease's fence, with the session rules and the audit events that follow from it ([`record`]).
//!
//! A crash between any two steps leaves the opening due, and the next pass does the same again: every step may be repeated.
//! A removal is tried for ever, and believed only when later reads agree. [`expire`] is the clock; [`sweep`] finds what no pass knows of.
//! While the database fails, [`offline`] closes what is overdue by the tags on the rules.

mod act;
pub(crate) mod backoff;
mod blocked;
mod by_tags;
mod claim;
mod compare;
mod expire;
mod hold;
mod judge;
pub(crate) mod measure;
mod observed;
mod offline;
mod pass;
mod plan;
mod presence;
mod pulse;
mod purse;
mod record;
mod record_sweep;
mod remind;
mod sweep;
mod tell;
#[cfg(test)]
mod tests;
mod verify;
mod wake;
mod worker;

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Notify, watch};

use crate::domain::{DeploymentId, LaterReads};
use crate::provider::Allowlists;
use crate::random::SharedRandom;
use crate::store::Store;

pub use by_tags::{ByTags, TaggedRule, close_by_tags};
pub use compare::Differences;
use hold::{Hold, LEASE};
use offline::Offline;
pub use plan::{Plan, Wish, WishedOpening, plan};
pub use pulse::{Blindness, Pulse};
pub use sweep::{ResourceSweep, SweepPace, SweepReport};

/// Wakes the workers: a hint and never the truth, for each also looks by itself.
#[derive(Debug, Default)]
pub struct Nudges {
    /// Something is due in a cloud.
    pub reconcile: Notify,
    /// A session's end has moved.
    pub clock: Notify,
    /// A chat's thread is out of date.
    pub chat: Notify,
    /// Other replicas should look too.
    pub others: Notify,
    // Counts what may have changed, for whoever watches a session.
    changes: watch::Sender<u64>,
}

impl Nudges {
    /// Wakes every worker of this process.
    pub fn wake(&self) {
        self.reconcile.notify_one();
        self.clock.notify_one();
        self.sessions_changed();
    }

    /// Wakes whatever shows sessions: the chats, and those who watch a page or wait for an answer.
    pub fn sessions_changed(&self) {
        self.chat.notify_one();
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Counts what may have changed. Like every hint it may be missing: whoever watches also looks now and then.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// What makes the clouds agree with what is wanted.
pub struct Reconciler {
    store: Arc<Store>,
    allowlists: RwLock<Arc<Allowlists>>,
    deployment: DeploymentId,
    random: SharedRandom,
    nudges: Arc<Nudges>,
    pulse: Arc<Pulse>,
    later_reads: LaterReads,
    sweep_pace: SweepPace,
    // Who takes the leases: this process.
    worker: String,
    offline: Offline,
}

/// What a [`Reconciler`] works with.
pub struct ReconcilerParts {
    /// The database.
    pub store: Arc<Store>,
    /// The configured resources.
    pub allowlists: Arc<Allowlists>,
    /// Whose rules are ours.
    pub deployment: DeploymentId,
    /// Randomness for ids and jitter.
    pub random: SharedRandom,
    /// Who wakes us, and whom we wake.
    pub nudges: Arc<Nudges>,
    /// Whom it tells that it is alive.
    pub pulse: Arc<Pulse>,
    /// When a removal is believed.
    pub later_reads: LaterReads,
    /// How a sweep goes about it.
    pub sweep_pace: SweepPace,
}

impl Reconciler {
    /// A reconciler.
    pub fn new(parts: ReconcilerParts) -> Self {
        let ReconcilerParts { store, allowlists, deployment, random, nudges, pulse, later_reads, sweep_pace } = parts;
        let allowlists = RwLock::new(allowlists);
        let worker = hex::encode(crate::random::bytes::<8>(random.as_ref()));
        let offline = Offline::default();
        Self { store, allowlists, deployment, random, nudges, pulse, later_reads, sweep_pace, worker, offline }
    }

    /// The resources as they are configured now, with those that left with something still open on them.
    pub fn allowlists(&self) -> Arc<Allowlists> {
        Arc::clone(&self.allowlists.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on these resources from the next pass on.
    pub fn configure(&self, allowlists: Allowlists) {
        *self.allowlists.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(allowlists);
        self.nudges.wake();
    }
}
