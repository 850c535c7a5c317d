//! Named steps at which a test lets the process die, so that every moment between two steps is tried.
//!
//! `ENTRYGUARD_CRASH=intent_committed:2` aborts a debug build the second time it gets there; a release build has none of this.
//! A test of the engine kills in another way: within [`watched`] it hears of each step, and drops the work where it stands.

#[cfg(any(test, feature = "testing"))]
mod watch;

#[cfg(any(test, feature = "testing"))]
pub use watch::{Watch, watched};

macro_rules! crash_points {
    ($($(#[$doc:meta])* $point:ident = $name:literal),* $(,)?) => {
        /// A step that a process may die at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CrashPoint {
            $($(#[$doc])* $point),*
        }

        impl CrashPoint {
            /// Every step.
            pub const ALL: &'static [Self] = &[$(Self::$point),*];

            /// The step's name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$point => $name),*
                }
            }
        }
    };
}

crash_points! {
    /// A use case has written its wishes and its audit event, and nobody else sees them yet.
    WishWritten = "wish_written",
    /// A use case is done, and whoever asked has not heard of it.
    WishCommitted = "wish_committed",
    /// The clock has ended a session, and nobody else sees it yet.
    ExpiryWritten = "expiry_written",
    /// The clock has ended a session for good.
    ExpiryCommitted = "expiry_committed",
    /// A pass has leased its resources and written what it is about to do, and nobody else sees it yet.
    IntentWritten = "intent_written",
    /// A pass is about to call the provider.
    IntentCommitted = "intent_committed",
    /// Rules are about to be removed.
    RemovalNext = "removal_next",
    /// The provider has answered a removal.
    RemovalAnswered = "removal_answered",
    /// Rules are about to be added.
    AdditionNext = "addition_next",
    /// The provider has answered an addition.
    AdditionAnswered = "addition_answered",
    /// The expiry on rules is about to be moved.
    MarkNext = "mark_next",
    /// The provider has answered a mark.
    MarkAnswered = "mark_answered",
    /// The provider has shown its rules, and nothing is recorded yet.
    ReadBack = "read_back",
    /// A pass has written its outcome, and nobody else sees it yet.
    OutcomeWritten = "outcome_written",
    /// A pass is done.
    OutcomeCommitted = "outcome_committed",
    /// A sweep has compared, and is about to remove.
    SweepCompared = "sweep_compared",
    /// A sweep has removed, and nothing is recorded yet.
    SweepRemoved = "sweep_removed",
    /// A sweep is done with a resource.
    SweepRecorded = "sweep_recorded",
}

impl std::fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Says that the work has come to a step, where a test may end it.
#[macro_export]
macro_rules! crash_point {
    ($point:ident) => {
        $crate::crash::reach($crate::crash::CrashPoint::$point).await
    };
}

/// What [`crash_point!`](crate::crash_point) does.
#[cfg_attr(not(any(test, feature = "testing")), expect(clippy::unused_async, reason = "a test's work may end here"))]
pub async fn reach(point: CrashPoint) {
    abort_if_asked(point);
    #[cfg(any(test, feature = "testing"))]
    watch::reached(point).await;
}

#[cfg(not(debug_assertions))]
fn abort_if_asked(_point: CrashPoint) {}

#[cfg(debug_assertions)]
fn abort_if_asked(point: CrashPoint) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ASKED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static REACHED: AtomicU32 = AtomicU32::new(0);

    let asked = ASKED.get_or_init(|| {
        let text = std::env::var("ENTRYGUARD_CRASH").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), times.parse().ok()?))
    });
    if let Some((name, times)) = asked
        && name == point.as_str()
        && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *times
    {
        // Neither destructors nor buffers: as when the machine loses its power.
        std::process::abort();
    }
}
