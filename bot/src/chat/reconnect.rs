//! When to open the next connection to a chat: at once where the last one served for a while, else later each time. A chat that ends
//! each connection as soon as it is open must not be stormed.

use std::time::Duration;

use entryguard_core::random::{self, Random};

/// A connection that lasted so long has served; a shorter one counts as a failure.
const SERVED: Duration = Duration::from_secs(60);
/// The first wait, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// How often in a row it came to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reconnect {
    failures: u32,
}

impl Reconnect {
    /// No connection could be opened, or the chat does not want this one.
    pub const fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// A connection is over, or about to be.
    pub fn ended(&mut self, lasted: Duration) {
        if lasted >= SERVED {
            self.failures = 0;
        } else {
            self.failed();
        }
    }

    /// How long to wait before the next one: doubling, jittered so that not all servers come back at once.
    pub fn wait(self, random: &dyn Random) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else { return Duration::ZERO };
        let full = FIRST.saturating_mul(1 << doublings.min(10)).min(LONGEST);
        full.mul_f64(0.5 + random::fraction(random) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use entryguard_core::random::SystemRandom;

    use super::*;

    #[test]
    fn connections_that_end_at_once_come_ever_more_rarely_and_one_that_served_starts_afresh() {
        let mut reconnect = Reconnect::default();
        assert_eq!(reconnect.wait(&SystemRandom), Duration::ZERO);
        let mut total = Duration::ZERO;
        for at_most in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            reconnect.ended(SERVED - Duration::from_millis(1));
            let (wait, at_most) = (reconnect.wait(&SystemRandom), Duration::from_secs(at_most));
            assert!(wait >= at_most / 2 && wait <= at_most, "{wait:?}");
            total += wait;
        }
        assert!(total > Duration::from_secs(120), "{total:?}");
        reconnect.ended(SERVED);
        assert_eq!(reconnect.wait(&SystemRandom), Duration::ZERO);
        for _ in 0..100 {
            reconnect.failed();
        }
        assert!(reconnect.wait(&SystemRandom) <= LONGEST);
    }

    #[test]
    fn waits_differ_between_servers() {
        let mut reconnect = Reconnect::default();
        (0..8).for_each(|_| reconnect.failed());
        let waits: std::collections::BTreeSet<_> = (0..16).map(|_| reconnect.wait(&SystemRandom)).collect();
        assert!(waits.len() > 1, "{waits:?}");
    }
}
