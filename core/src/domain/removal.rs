//! When a removal is believed: a provider may say yes and do nothing, and may show an old list. So its list is read again.

use super::{Span, Timestamp};

/// How long after its request an addition may still be carried out: a provider refuses what was signed longer ago.
const LATEST_ADDITION: Span = Span::from_minutes(5);

/// How long after a rule was first not seen any more the list is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterReads(Vec<Span>);

/// What the reads so far say of a rule that was told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// One read did not show it.
    Doubtful,
    /// A later read agreed: it may be shown to people as removed.
    Agreed,
    /// All later reads agreed.
    Final,
}

/// Reads that are not one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the times must grow, as in [\"1s\", \"10s\", \"60s\"]")]
pub struct NotGrowing;

impl LaterReads {
    /// Reads so long after the first one that did not show the rule.
    pub fn new(after: Vec<Span>) -> Result<Self, NotGrowing> {
        if after.is_sorted_by(|a, b| a < b) { Ok(Self(after)) } else { Err(NotGrowing) }
    }

    /// What a read at `at` says of a rule that has not been seen since `since`. One that was never seen at all may yet come.
    pub fn judge(&self, since: Timestamp, at: Timestamp, ever_seen: bool) -> Absence {
        match self.next(since, at, ever_seen) {
            None => Absence::Final,
            Some(_) if self.0.first().is_none_or(|first| since.plus(*first) <= at) => Absence::Agreed,
            Some(_) => Absence::Doubtful,
        }
    }

    /// When to read next after a read at `at`; nothing where no read is left.
    pub fn next(&self, since: Timestamp, at: Timestamp, ever_seen: bool) -> Option<Timestamp> {
        let last = (!ever_seen && !self.0.is_empty()).then_some(LATEST_ADDITION);
        self.0.iter().copied().chain(last).map(|after| since.plus(after)).find(|read| *read > at)
    }
}

impl Default for LaterReads {
    fn default() -> Self {
        Self([1, 10, 60].map(Span::from_seconds).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_final_when_every_later_read_agrees() {
        let (reads, since) = (LaterReads::default(), Timestamp::from_millis(1_000_000));
        let judged = |seconds, ever_seen| reads.judge(since, since.plus(Span::from_seconds(seconds)), ever_seen);
        assert_eq!([0, 1, 10, 59, 60].map(|at| judged(at, true)), {
            use Absence::{Agreed, Doubtful, Final};
            [Doubtful, Agreed, Agreed, Agreed, Final]
        });
        assert_eq!(judged(60, false), Absence::Agreed, "what was never seen may yet come");
        assert_eq!(judged(300, false), Absence::Final);
        let next = |seconds| reads.next(since, since.plus(Span::from_seconds(seconds)), true).map(|at| at.since(since));
        assert_eq!([0, 1, 30, 60].map(next), [Some(1), Some(10), Some(60), None].map(|s| s.map(Span::from_seconds)));
    }

    #[test]
    fn reads_come_one_after_the_other() {
        let reads = |seconds: &[i64]| LaterReads::new(seconds.iter().copied().map(Span::from_seconds).collect());
        assert!(reads(&[]).is_ok() && reads(&[1, 2]).is_ok());
        assert_eq!(reads(&[1, 1]), Err(NotGrowing));
        assert_eq!(reads(&[]).unwrap().judge(Timestamp::from_millis(0), Timestamp::from_millis(0), true), Absence::Final);
    }
}
