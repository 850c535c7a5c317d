//! A token bucket, as providers keep one for each caller of an API: so many calls at once, and so many a second.

use super::{Span, Timestamp};

/// How long a rate that was halved takes to come back in full.
const RECOVERY: Span = Span::from_seconds(30);
/// This part of a burst is left to the provider.
const MARGIN: u32 = 50;
/// A rate is never cut below this part of the full one: what is throttled for ever must not stop for ever.
const LOWEST: i64 = 8;

/// What a provider lets one caller call of one API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiLimit {
    /// Whose calls share it: the credential, the region and the API.
    pub api: String,
    /// Calls at once.
    pub burst: u32,
    /// Calls a second.
    pub per_second: u32,
}

/// What is left of a limit. It counts in thousandths of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Calls left; less than nothing where the provider has said so.
    pub tokens_milli: i64,
    /// What comes back each second, as the provider has let us so far.
    pub rate_milli: i64,
    /// As of when.
    pub refilled_at: Timestamp,
}

impl ApiLimit {
    /// What the bucket holds, in thousandths of a call: a little less than the provider's. A call on its way is counted here before
    /// it is counted there, and one that is refused costs more than a call.
    fn capacity(&self) -> i64 {
        milli(self.burst - self.burst / MARGIN)
    }
}

impl Bucket {
    /// A bucket that nobody has called from yet.
    pub fn full(limit: &ApiLimit, now: Timestamp) -> Self {
        Self { tokens_milli: limit.capacity(), rate_milli: milli(limit.per_second), refilled_at: now }
    }

    /// What it holds by `now`. A throttled rate recovers with time.
    #[must_use]
    pub fn refilled(self, limit: &ApiLimit, now: Timestamp) -> Self {
        let elapsed = now.since(self.refilled_at).as_millis();
        let full = milli(limit.per_second);
        let gained = self.rate_milli.saturating_mul(elapsed) / 1000;
        let tokens_milli = self.tokens_milli.saturating_add(gained).min(limit.capacity());
        let recovered = full.saturating_mul(elapsed) / RECOVERY.as_millis();
        let rate_milli = self.rate_milli.saturating_add(recovered).min(full);
        // What came to less than a thousandth is kept by not moving the time.
        if gained == 0 && elapsed < 1000 {
            self
        } else {
            Self { tokens_milli, rate_milli, refilled_at: now.max(self.refilled_at) }
        }
    }

    /// Takes `calls` and leaves `kept` for others; or how long to wait until that can be.
    pub fn take(&mut self, calls: u32, kept: u32) -> Result<(), Span> {
        let missing = milli(calls) + milli(kept) - self.tokens_milli;
        if missing <= 0 {
            self.tokens_milli -= milli(calls);
            return Ok(());
        }
        let rate = self.rate_milli.max(1);
        Err(Span::from_millis((missing.saturating_mul(1000) + rate - 1) / rate))
    }

    /// The provider has refused a call: nothing is left, and less comes back for a while.
    pub fn throttle(&mut self, limit: &ApiLimit) {
        self.tokens_milli = self.tokens_milli.min(0);
        self.rate_milli = (self.rate_milli / 2).max(milli(limit.per_second) / LOWEST);
    }
}

fn milli(calls: u32) -> i64 {
    i64::from(calls) * 1000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ec2() -> ApiLimit {
        ApiLimit { api: "prod/eu-west-1/AuthorizeSecurityGroupIngress".into(), burst: 50, per_second: 5 }
    }

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn a_burst_is_free_and_then_calls_come_at_the_rate() {
        let mut bucket = Bucket::full(&ec2(), START);
        assert!((0..49).all(|_| bucket.take(1, 0).is_ok()), "one less than the provider's 50");
        assert_eq!(bucket.take(1, 0), Err(Span::from_millis(200)));
        let mut later = bucket.refilled(&ec2(), START.plus(Span::from_millis(200)));
        assert_eq!(later.take(1, 0), Ok(()));
    }

    #[test]
    fn what_is_kept_for_removals_is_left() {
        let mut bucket = Bucket::full(&ec2(), START);
        assert!((0..29).all(|_| bucket.take(1, 20).is_ok()));
        assert!(bucket.take(1, 20).is_err());
        assert!((0..20).all(|_| bucket.take(1, 0).is_ok()), "a removal takes what an addition may not");
    }

    #[test]
    fn a_throttled_rate_is_halved_and_comes_back() {
        let mut bucket = Bucket::full(&ec2(), START);
        bucket.throttle(&ec2());
        assert_eq!((bucket.tokens_milli, bucket.rate_milli), (0, 2500));
        for _ in 0..9 {
            bucket.throttle(&ec2());
        }
        assert_eq!(bucket.rate_milli, 625, "never less than an eighth");
        assert_eq!(bucket.refilled(&ec2(), START.plus(RECOVERY)).rate_milli, 5000);
    }

    proptest! {
        #[test]
        fn no_more_calls_are_let_through_than_the_provider_allows(waits in prop::collection::vec(0_i64..400, 1..200)) {
            let (mut bucket, mut now, mut calls) = (Bucket::full(&ec2(), START), START, 0);
            for wait in waits {
                now = now.plus(Span::from_millis(wait));
                bucket = bucket.refilled(&ec2(), now);
                while bucket.take(1, 0).is_ok() {
                    calls += 1;
                }
            }
            prop_assert!(calls * 1000 <= 50_000 + 5 * now.since(START).as_millis(), "{calls} calls");
        }
    }
}
