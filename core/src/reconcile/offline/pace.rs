//! The providers' limits while the database, which all replicas count in, fails: this replica counts by itself.
//!
//! Another one may still have the database and call too, so each limit is taken for just passed: it begins empty and at half its
//! rate, and comes back in half a minute. A provider that refuses a call for its number halves it again.

use std::collections::BTreeMap;

use super::super::purse::{Need, take};
use crate::domain::{Bucket, Span, Timestamp};
use crate::provider::CallLimits;

/// What is left of each limit, as far as this replica knows.
#[derive(Debug, Default)]
pub(super) struct Pace {
    buckets: BTreeMap<String, Bucket>,
}

impl Pace {
    /// Takes the calls, all or none; or how long to wait until they could be had.
    pub(super) fn take(&mut self, now: Timestamp, needs: &[Need]) -> Result<(), Span> {
        for need in needs {
            let bucket = self.buckets.entry(need.limit.api.clone()).or_insert_with(|| {
                let mut bucket = Bucket::full(&need.limit, now);
                bucket.throttle(&need.limit);
                bucket
            });
            *bucket = bucket.refilled(&need.limit, now);
        }
        take(&mut self.buckets, needs)
    }

    /// The provider has refused a call for its number.
    pub(super) fn throttled(&mut self, limits: &CallLimits) {
        for limit in [&limits.observe, &limits.remove] {
            if let Some(bucket) = self.buckets.get_mut(&limit.api) {
                bucket.throttle(limit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::purse::one_removal;
    use super::*;
    use crate::domain::ApiLimit;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn limits() -> CallLimits {
        let limit = |api: &str, burst, per_second| ApiLimit { api: format!("prod/eu-west-1/{api}"), burst, per_second };
        CallLimits {
            observe: limit("describe", 100, 20),
            add: limit("authorize", 50, 5),
            mark: limit("tag", 50, 5),
            remove: limit("revoke", 50, 5),
            additions_a_call: 6,
        }
    }

    #[test]
    fn it_begins_at_half_the_rate_and_leaves_the_burst_to_a_replica_that_has_the_database() {
        let (mut pace, limits) = (Pace::default(), limits());
        let removal = one_removal(&limits);
        let mut removals = 0;
        for tick in 0..50 {
            let now = START.plus(Span::from_millis(100 * tick));
            while pace.take(now, &removal).is_ok() {
                removals += 1;
            }
        }
        assert!((10..=16).contains(&removals), "{removals} in five seconds, of 25 that EC2 would take besides a burst of 50");
    }

    #[test]
    fn a_refusal_makes_it_slower() {
        let (mut pace, limits) = (Pace::default(), limits());
        let removal = one_removal(&limits);
        let wait = pace.take(START, &removal).unwrap_err();
        pace.throttled(&limits);
        assert!(pace.take(START, &removal).unwrap_err() > wait);
    }
}
