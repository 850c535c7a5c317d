//! Where ids, one-time tokens and jitter get their randomness.

use std::sync::Arc;

/// A source of random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with randomness fit for secrets.
    fn fill(&self, bytes: &mut [u8]);
}

/// A shared source of randomness.
pub type SharedRandom = Arc<dyn Random>;

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the operating system for randomness")]
        #[expect(
            clippy::expect_used,
            reason = "without randomness no secret can be made, and going on would be worse than stopping"
        )]
        getrandom::fill(bytes).expect("the operating system has no randomness to give");
    }
}

/// Takes `N` random bytes.
pub fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// A number from `0.0` to below `1.0`, for jitter.
pub fn fraction(random: &dyn Random) -> f64 {
    f64::from(u32::from_be_bytes(bytes(random))) / (f64::from(u32::MAX) + 1.0)
}
