//! Where the time comes from, so that the domain never asks for it.

use crate::domain::{Span, Timestamp};

/// A source of the present time.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(chrono::Utc::now().timestamp_millis()).plus(fast_by())
    }
}

#[cfg(not(debug_assertions))]
const fn fast_by() -> Span {
    Span::from_millis(0)
}

/// `ENTRYGUARD_CLOCK_FAST_BY=6s` puts the clock of a debug build wrong, for tests; a release build has none of this.
#[cfg(debug_assertions)]
fn fast_by() -> Span {
    static FAST_BY: std::sync::OnceLock<Span> = std::sync::OnceLock::new();
    let asked = || std::env::var("ENTRYGUARD_CLOCK_FAST_BY").ok()?.parse().ok();
    *FAST_BY.get_or_init(|| asked().unwrap_or(Span::from_millis(0)))
}

/// A clock that stands still until a test moves it.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub struct ManualClock(std::sync::atomic::AtomicI64);

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(std::sync::atomic::AtomicI64::new(now.as_millis()))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Span) {
        self.0.fetch_add(by.as_millis(), std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}
