//! Makes the clouds agree with what is wanted.
//!
//! A pass takes no input: a timer or a nudge starts it, and it reads what is wanted and what is there. For one resource it
//! 1. leases the resource, so that nobody else acts on it, and **writes its intent before the call** ([`pass`]);
//! 2. plans from the openings and the wishes alone ([`plan`]);
//! 3. calls the provider: removals first, then additions, then marks, each in one batch; then reads back ([`act`]);
//! 4. judges every opening by what was read, and not by what a call answered ([`judge`]);
//! 5. records it under the lease's fence, with the session rules and the audit events that follow from it ([`record`]).
//!
//! A crash between any two steps leaves the opening due, and the next pass does the same again: every step may be repeated.
//! A removal is tried for ever. [`expire`] is the clock; [`sweep`] finds what no pass knows of.

mod act;
mod backoff;
mod expire;
mod judge;
mod overdue;
mod pass;
mod plan;
mod record;
mod sweep;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::domain::DeploymentId;
use crate::provider::Allowlists;
use crate::random::SharedRandom;
use crate::store::Store;

pub use overdue::{OverdueRule, close_overdue};
pub use plan::{Plan, Wish, WishedOpening, plan};
pub use sweep::{ResourceSweep, SweepReport};

/// Wakes the workers: a hint and never the truth, for each also looks by itself.
#[derive(Debug, Default)]
pub struct Nudges {
    /// Something is due in a cloud.
    pub reconcile: Notify,
    /// A session's end has moved.
    pub clock: Notify,
    /// A chat's thread is out of date.
    pub chat: Notify,
}

/// What makes the clouds agree with what is wanted.
pub struct Reconciler {
    store: Arc<Store>,
    allowlists: Arc<Allowlists>,
    deployment: DeploymentId,
    clock: Arc<dyn Clock>,
    random: SharedRandom,
    nudges: Arc<Nudges>,
    // Who takes the leases: this process.
    worker: String,
}

/// What a [`Reconciler`] works with.
pub struct ReconcilerParts {
    /// The database.
    pub store: Arc<Store>,
    /// The configured resources.
    pub allowlists: Arc<Allowlists>,
    /// Whose rules are ours.
    pub deployment: DeploymentId,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and jitter.
    pub random: SharedRandom,
    /// Who wakes us, and whom we wake.
    pub nudges: Arc<Nudges>,
}

impl Reconciler {
    /// A reconciler.
    pub fn new(parts: ReconcilerParts) -> Self {
        let ReconcilerParts { store, allowlists, deployment, clock, random, nudges } = parts;
        let worker = hex::encode(crate::random::bytes::<8>(random.as_ref()));
        Self { store, allowlists, deployment, clock, random, nudges, worker }
    }
}
