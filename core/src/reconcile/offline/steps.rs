//! Whether the steps that close through the database succeed. A database may take a small commit and none of the work: a table is locked
//! or damaged, its disk is full though the log's is not, or it is so slow that leases run out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A failure counts for so long: a step that nothing asked for since then is not known to fail.
const COUNTS: Duration = Duration::from_secs(60);

/// A step that closing through the database takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reconcile) enum Step {
    /// Sessions whose time is over are ended.
    Expire,
    /// What is due is leased, and the intent written.
    Claim,
    /// The outcome of a pass is recorded.
    Record,
}

/// How the steps went.
#[derive(Debug, Default)]
pub(in crate::reconcile) struct Steps([Mutex<Option<Failure>>; 3]);

/// A step that fails, by the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// When the first try began that failed, with no success since.
    pub(super) since: Instant,
    /// Why the last one failed.
    pub(super) why: String,
    last: Instant,
}

impl Steps {
    fn of(&self, step: Step) -> MutexGuard<'_, Option<Failure>> {
        self.0[step as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::reconcile) fn succeeded(&self, step: Step) {
        *self.of(step) = None;
    }

    /// A try that began at `began` failed at `at`.
    pub(in crate::reconcile) fn failed(&self, step: Step, began: Instant, at: Instant, why: String) {
        let mut failure = self.of(step);
        let since = failure.as_ref().filter(|before| before.counts(at)).map_or(began, |before| before.since);
        *failure = Some(Failure { since, why, last: at });
    }

    /// The step that has failed for the longest, if one fails.
    pub(super) fn failing(&self, at: Instant) -> Option<Failure> {
        let all = [Step::Expire, Step::Claim, Step::Record].into_iter().filter_map(|step| self.of(step).clone());
        all.filter(|failure| failure.counts(at)).min_by_key(|failure| failure.since)
    }
}

impl Failure {
    fn counts(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.last) < COUNTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_fails_from_its_first_failed_try_to_its_next_success() {
        let (steps, start) = (Steps::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        steps.failed(Step::Claim, after(0), after(10), "slow".into());
        steps.failed(Step::Claim, after(11), after(21), "slower".into());
        steps.succeeded(Step::Expire);
        let failing = steps.failing(after(30)).unwrap();
        assert_eq!((failing.since, failing.why.as_str()), (start, "slower"));
        steps.succeeded(Step::Claim);
        assert_eq!(steps.failing(after(31)), None);
    }

    #[test]
    fn a_failure_that_nothing_has_repeated_for_a_minute_counts_no_more() {
        let (steps, start) = (Steps::default(), Instant::now());
        steps.failed(Step::Record, start, start, "lost".into());
        let later = start + COUNTS;
        assert_eq!(steps.failing(later), None);
        steps.failed(Step::Record, later, later, "lost".into());
        assert_eq!(steps.failing(later).unwrap().since, later);
    }
}
