//! Where the time comes from, so that the domain never asks for it.

mod steady;
mod system;

pub use steady::{Reading, SteadyTime, TOLERANCE};
pub use system::SystemClock;

use crate::domain::{Span, Timestamp};

/// The clocks of a machine.
pub trait Clock: Send + Sync {
    /// The wall clock. It may be wrong, jump ahead and go back; [`SteadyTime`] makes of it a time that does not.
    fn now(&self) -> Timestamp;

    /// The monotonic clock. It never goes back, and goes on while the machine is suspended.
    fn monotonic(&self) -> Monotonic;

    /// What readings of the monotonic clock may be compared with those of an earlier process: they are of one boot of one machine.
    /// `None` where that is not known.
    fn boot(&self) -> Option<String> {
        None
    }
}

/// A reading of a monotonic clock, in milliseconds since a point that stays the same until the machine boots again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(i64);

impl Monotonic {
    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// As milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Later by `span`.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.as_millis()))
    }

    /// The time from `earlier` to here; nothing where `earlier` is in fact later.
    pub const fn since(self, earlier: Self) -> Span {
        Span::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Clocks that stand still until a test moves them.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub struct ManualClock {
    wall: std::sync::atomic::AtomicI64,
    monotonic: std::sync::atomic::AtomicI64,
}

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// Clocks of a machine whose wall clock shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { wall: now.as_millis().into(), monotonic: 1_000.into() }
    }

    /// Lets time pass: both clocks move on.
    pub fn advance(&self, by: Span) {
        self.jump_ahead(by);
        self.monotonic.fetch_add(by.as_millis(), std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the wall clock ahead, while no time passes.
    pub fn jump_ahead(&self, by: Span) {
        self.wall.fetch_add(by.as_millis(), std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the wall clock back, while no time passes.
    pub fn go_back(&self, by: Span) {
        self.wall.fetch_sub(by.as_millis(), std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_millis(self.monotonic.load(std::sync::atomic::Ordering::SeqCst))
    }
}
