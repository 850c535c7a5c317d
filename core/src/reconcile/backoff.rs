//! How long to wait before the next try. There is no last one.

use crate::domain::Span;
use crate::random::{self, Random};

const LONGEST: Span = Span::from_seconds(60);

/// The wait after so many tries: doubling from a second, never above a minute.
pub(super) fn delay(attempts: u32, random: &dyn Random) -> Span {
    delay_up_to(LONGEST, attempts, random)
}

/// The same, never above `longest`, and jittered so that not all come back at once.
pub(crate) fn delay_up_to(longest: Span, attempts: u32, random: &dyn Random) -> Span {
    let doubled = 1_i64 << attempts.saturating_sub(1).min(20);
    let full = Span::from_seconds(doubled).min(longest);
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a time far below 2^53 milliseconds")]
    let jittered = (full.as_millis() as f64 * (0.5 + random::fraction(random) / 2.0)) as i64;
    Span::from_millis(jittered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_wait_grows_to_a_minute_and_never_ends_the_tries() {
        for attempts in [1, 2, 6, 7, 50, u32::MAX] {
            let delay = delay(attempts, &SystemRandom);
            assert!(delay >= Span::from_millis(500) && delay <= LONGEST, "{attempts}: {delay}");
        }
        assert!(delay(50, &SystemRandom) >= Span::from_seconds(30));
    }
}
