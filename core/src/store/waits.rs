//! What the database is being waited for, and since when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The waits of one pool that have not ended.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<(u64, BTreeMap<u64, Instant>)>);

/// A wait; it ends when this is dropped.
pub(super) struct Wait(Arc<Waits>, u64);

impl Waits {
    /// Begins a wait.
    pub(super) fn begin(waits: &Arc<Self>) -> Wait {
        let mut all = waits.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = all.0;
        all.0 += 1;
        all.1.insert(id, Instant::now());
        Wait(Arc::clone(waits), id)
    }

    /// How long the oldest has lasted.
    pub(super) fn longest(&self) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.1.first_key_value().map(|(_, since)| since.elapsed())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.1);
    }
}
