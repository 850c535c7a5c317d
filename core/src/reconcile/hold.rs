//! How long a lease is surely ours: by this process's own clock, which neither a wrong time of day nor a frozen process deceives.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Span;
use crate::store::Lease;

/// How long a lease lasts, and so how long a dead worker keeps a resource from the others.
pub(super) const LEASE: Span = Span::from_seconds(15);
/// How often a lease is renewed while calls are under way.
pub(super) const RENEWAL: Span = Span::from_seconds(3);
/// How long one call may take: it begins only where the lease will outlast it.
pub(super) const LONGEST_CALL: Span = Span::from_seconds(8);

/// How long before a lease's end a worker stops whatever it is at.
const SLACK: Span = Span::from_seconds(3);

/// A lease, and until when it is surely ours.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) lease: Lease,
    until: Arc<Mutex<Instant>>,
}

impl Hold {
    /// The hold of a lease that was taken in a transaction which began at `began`.
    pub(super) fn new(lease: Lease, began: Instant) -> Self {
        Self { lease, until: Arc::new(Mutex::new(began + LEASE.as_duration())) }
    }

    /// Whether the lease outlasts one more call.
    pub(super) fn has_time(&self) -> bool {
        self.left() >= LONGEST_CALL.as_duration()
    }

    /// Whether nobody else can have the resource yet.
    pub(super) fn is_good(&self) -> bool {
        self.left() >= SLACK.as_duration()
    }

    /// The lease was renewed in a transaction which began at `began`.
    pub(super) fn renewed(&self, began: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = began + LEASE.as_duration();
    }

    fn left(&self) -> Duration {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).saturating_duration_since(Instant::now())
    }
}
