//! When a rule that was there and that a list no longer shows is believed to be gone.
//!
//! A provider may answer a read from a replica that lags behind. One read is therefore a doubt, and further reads decide. A rule that is
//! young needs more of them, because a lagging list can be older than the rule.

use super::{Span, Timestamp};

/// How long a list may lag behind a change. EC2 promises no bound; a minute is far above what it shows in practice.
const PROPAGATION: Span = Span::from_seconds(60);
/// How long after the first read that did not show it a rule is looked for again, where it is older than [`PROPAGATION`].
const READS_OF_OLD: &[Span] = &[Span::from_seconds(1)];
/// The same for a younger rule.
const READS_OF_YOUNG: &[Span] = &[Span::from_seconds(1), Span::from_seconds(3)];

/// What the reads so far say of a rule that is wanted, was there, and is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is not certain yet: read again at this time.
    LookAgain(Timestamp),
    /// Enough reads agree: it is gone.
    Gone,
}

impl Doubt {
    /// What a read at `read_at` says that does not show the rule either. `present_since` is when the rule was first seen,
    /// `unseen_since` when a read did not show it for the first time.
    pub fn of(present_since: Option<Timestamp>, unseen_since: Timestamp, read_at: Timestamp) -> Self {
        let old = present_since.is_some_and(|since| unseen_since.since(since) >= PROPAGATION);
        let reads = if old { READS_OF_OLD } else { READS_OF_YOUNG };
        let next = reads.iter().map(|after| unseen_since.plus(*after)).find(|read| *read > read_at);
        next.map_or(Self::Gone, Self::LookAgain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_rule_takes_a_second_read_and_a_young_one_a_third() {
        let unseen = Timestamp::from_millis(1_000_000);
        let at = |millis| unseen.plus(Span::from_millis(millis));
        let judged = |age, read| Doubt::of(Some(unseen.minus(Span::from_seconds(age))), unseen, at(read));
        assert_eq!(judged(60, 0), Doubt::LookAgain(at(1000)));
        assert_eq!(judged(60, 999), Doubt::LookAgain(at(1000)));
        assert_eq!(judged(60, 1000), Doubt::Gone);
        assert_eq!(judged(59, 1000), Doubt::LookAgain(at(3000)));
        assert_eq!(judged(59, 3000), Doubt::Gone);
        assert_eq!(Doubt::of(None, unseen, at(2000)), Doubt::LookAgain(at(3000)), "an unknown age is a young one");
    }

    #[test]
    fn every_doubt_ends_within_five_seconds() {
        let (unseen, within) = (Timestamp::from_millis(1_000_000), Span::from_seconds(5));
        for age in [0, 59, 60, 3600] {
            let mut read = unseen;
            while let Doubt::LookAgain(next) = Doubt::of(Some(unseen.minus(Span::from_seconds(age))), unseen, read) {
                assert!(next > read);
                read = next;
            }
            assert!(read.since(unseen) < within, "a rule of {age} s: {}", read.since(unseen));
        }
    }
}
