//! The cloud's own token bucket. Not the engine's: a mistake in that one must show as calls refused.

use std::time::Instant;

/// So many calls at once, and so many a second.
#[derive(Debug)]
pub struct Bucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    as_of: Option<Instant>,
}

impl Bucket {
    /// A bucket that nobody has called from yet.
    pub fn full(burst: u32, per_second: u32) -> Self {
        Self { burst: burst.into(), per_second: per_second.into(), tokens: burst.into(), as_of: None }
    }

    /// Takes one call, if one is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let elapsed = self.as_of.map_or(0.0, |then| now.saturating_duration_since(then).as_secs_f64());
        self.as_of = Some(now);
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst);
        let left = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(left));
        left
    }

    /// How long so many calls take at the least, from a full bucket.
    pub fn least_time(calls: usize, burst: u32, per_second: u32) -> f64 {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        f64::from(calls.saturating_sub(burst)) / f64::from(per_second)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_above_the_limit_is_refused_until_time_has_passed() {
        let (mut bucket, start) = (Bucket::full(50, 5), Instant::now());
        assert!((0..50).all(|_| bucket.take(start)));
        assert!(!bucket.take(start) && !bucket.take(start + Duration::from_millis(190)));
        assert!(bucket.take(start + Duration::from_millis(201)));
        assert!((Bucket::least_time(1000, 50, 5) - 190.0).abs() < 1e-9 && Bucket::least_time(50, 50, 5) == 0.0);
    }
}
