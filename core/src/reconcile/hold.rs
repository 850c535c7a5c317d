//! How long a lease is surely ours: by this machine's monotonic clock, which neither a wrong time of day nor a frozen process nor a suspended
//! machine deceives.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Monotonic, SystemClock};
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
    until: Arc<Mutex<Monotonic>>,
}

impl Hold {
    /// The hold of a lease that was taken in a transaction which began at `began`.
    pub(super) fn new(lease: Lease, began: Monotonic) -> Self {
        Self { lease, until: Arc::new(Mutex::new(began.plus(LEASE))) }
    }

    /// Whether the lease outlasts one more call.
    pub(super) fn has_time(&self) -> bool {
        self.left() >= LONGEST_CALL.as_duration()
    }

    /// Whether nobody else can have the resource yet.
    pub(super) fn is_good(&self) -> bool {
        self.left() >= SLACK.as_duration()
    }

    /// Whether the lease has been over for as long as it lasts: other workers have had the time to take it.
    pub(super) fn is_long_over(&self) -> bool {
        now().since(self.end()).as_duration() >= LEASE.as_duration()
    }

    /// The lease was renewed in a transaction which began at `began`.
    pub(super) fn renewed(&self, began: Monotonic) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = began.plus(LEASE);
    }

    fn left(&self) -> Duration {
        self.end().since(now()).as_duration()
    }

    fn end(&self) -> Monotonic {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The present, for a lease that is about to be taken or renewed.
pub(super) fn now() -> Monotonic {
    SystemClock.monotonic()
}
