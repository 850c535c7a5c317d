//! Closes what is overdue while the database fails: by the tags on the rules, as `sweep --expired` does.
//!
//! [`watch`] tries a small commit every few seconds, and hears of each step that closes through the database ([`steps`]). Once no commit, or
//! no such step, has succeeded for [`STORE_PATIENCE`], this replica reads the resources by itself and removes the rules of this deployment
//! whose tag has been over for [`MARGIN`] ([`close`]), until all of them succeed again; then it records what it has removed
//! ([`report`]). What was open in memory ([`memory`]) says which resource to read first ([`agenda`]), which rules of an accepted stop are to
//! go whatever their tag says, and which of an accepted extension are not to go yet. The providers' limits are kept by buckets in
//! memory ([`pace`]).
//!
//! **No rule is removed before its time, and none whose tag was moved.** Both of two reads have to show a tag that has been over for
//! [`MARGIN`], the second one right before the removal. An extension is refused once the session's time is over, and its tag moves within
//! seconds, so half a minute after its end a tag does not move any more, even by a replica that still has the database. Only where a provider has refused
//! for half a minute to move it is there a window of one call, between the answer of the second read and the removal. A rule that is lost
//! in it is found missing by the replica that has the database, and made again.
//!
//! Two replicas may do this at once, and one beside others that have the database: removing a rule that is gone is no error.

mod agenda;
mod close;
mod memory;
mod pace;
mod report;
mod steps;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::Reconciler;
use crate::domain::{ResourceName, Span};
use memory::Memory;
pub(super) use steps::{Step, Steps};

/// For how long no commit has to have succeeded before a replica closes without the database.
const STORE_PATIENCE: Span = Span::from_seconds(30);
/// For how long a tag has to be over before its rule is removed without the database.
const MARGIN: Span = Span::from_seconds(30);

/// What a replica needs to close without the database.
#[derive(Debug, Default)]
pub(super) struct Offline {
    pub(super) memory: Memory,
    pub(super) steps: Steps,
    // One for each resource: this process's passes and its closing without the database take turns there, for the latter has no lease.
    turns: Mutex<BTreeMap<ResourceName, Arc<tokio::sync::Mutex<()>>>>,
}

impl Reconciler {
    /// Waits for this process's turn on a resource, and has it until the guard is dropped.
    pub(super) async fn turn_on(&self, resource: &ResourceName) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.offline.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(resource.clone()).or_default())
        };
        turn.lock_owned().await
    }
}

/// How long this replica waits: a debug build may be told to wait less, for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waits {
    store: Span,
    margin: Span,
}

impl Waits {
    /// What holds in this process. `ENTRYGUARD_OFFLINE_AFTER=2s` and `ENTRYGUARD_OFFLINE_MARGIN=2s` shorten the waits of a debug build; a
    /// release build has none of this.
    fn of_this_process() -> Self {
        let asked = |name, otherwise| asked_for(name).unwrap_or(otherwise);
        Self { store: asked("ENTRYGUARD_OFFLINE_AFTER", STORE_PATIENCE), margin: asked("ENTRYGUARD_OFFLINE_MARGIN", MARGIN) }
    }
}

#[cfg(not(debug_assertions))]
const fn asked_for(_name: &str) -> Option<Span> {
    None
}

#[cfg(debug_assertions)]
fn asked_for(name: &str) -> Option<Span> {
    std::env::var(name).ok()?.parse().ok()
}
