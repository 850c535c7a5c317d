//! Which resource to read next while the database fails: where a tag is over first, and each of them now and then.

use std::collections::BTreeMap;

use super::super::backoff;
use crate::domain::{ResourceName, Span, Timestamp};
use crate::random::Random;

/// How often each resource is read, though nothing is known to be overdue there: another replica may have opened something.
const ROUND: Span = Span::from_seconds(30);
/// So far apart are such reads at the least, for they take calls that others need: of 1,000 resources each is read every five minutes.
const BETWEEN: Span = Span::from_millis(300);

/// When to read which resource.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    visits: BTreeMap<ResourceName, Visit>,
}

#[derive(Clone, Copy, Debug)]
struct Visit {
    // A tag is overdue from then on, or a failed removal is to be tried again.
    overdue_at: Option<Timestamp>,
    routine_at: Timestamp,
    attempts: u32,
    busy: bool,
}

/// A resource to be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) resource: ResourceName,
    /// Whether something is overdue there, as far as is known: then calls that others keep for removals are taken.
    pub(super) is_overdue: bool,
}

impl Agenda {
    /// Knows these resources and no others; of each, when the first tag is overdue as far as anybody knows.
    pub(super) fn set<'a>(
        &mut self,
        resources: impl ExactSizeIterator<Item = &'a ResourceName>,
        overdue_at: impl Fn(&ResourceName) -> Option<Timestamp>,
        now: Timestamp,
    ) {
        let between = between(resources.len());
        let visit = |(nth, name): (usize, &ResourceName)| {
            let known = self.visits.remove(name);
            let routine_at = now.plus(times(between, nth));
            let new = || Visit { overdue_at: overdue_at(name), routine_at, attempts: 0, busy: false };
            (name.clone(), known.unwrap_or_else(new))
        };
        self.visits = resources.enumerate().map(visit).collect();
    }

    /// The resource to read next, if one is due: those with something overdue first, and of those the longest overdue.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Next> {
        let idle = || self.visits.iter().filter(|(_, visit)| !visit.busy);
        let overdue = idle().filter_map(|(name, visit)| Some((visit.overdue_at.filter(|at| *at <= now)?, name))).min();
        let routine = || idle().map(|(name, visit)| (visit.routine_at, name)).min().filter(|(at, _)| *at <= now);
        let is_overdue = overdue.is_some();
        let resource = overdue.or_else(routine)?.1.clone();
        self.visits.get_mut(&resource)?.busy = true;
        Some(Next { resource, is_overdue })
    }

    /// A resource was read, and what was overdue removed: when the next tag there is overdue.
    pub(super) fn is_done(&mut self, resource: &ResourceName, overdue_at: Option<Timestamp>, now: Timestamp) {
        let next = now.plus(self.round());
        if let Some(visit) = self.visits.get_mut(resource) {
            *visit = Visit { overdue_at, routine_at: next, attempts: 0, busy: false };
        }
    }

    /// A resource could not be read, or something overdue is still there: it is tried again soon, and then less often.
    pub(super) fn has_failed(&mut self, resource: &ResourceName, now: Timestamp, random: &dyn Random) {
        let next = now.plus(self.round());
        if let Some(visit) = self.visits.get_mut(resource) {
            let attempts = visit.attempts.saturating_add(1);
            let again = now.plus(backoff::delay_up_to(Span::from_seconds(15), attempts, random));
            *visit = Visit { overdue_at: Some(again), routine_at: next, attempts, busy: false };
        }
    }

    fn round(&self) -> Span {
        times(between(self.visits.len()), self.visits.len())
    }
}

fn between(resources: usize) -> Span {
    let even = ROUND.as_millis() / i64::try_from(resources.max(1)).unwrap_or(i64::MAX);
    Span::from_millis(even).max(BETWEEN)
}

fn times(span: Span, times: usize) -> Span {
    Span::from_millis(span.as_millis().saturating_mul(i64::try_from(times).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn names(count: usize) -> Vec<ResourceName> {
        (0..count).map(|number| ResourceName::new(format!("group-{number:04}")).unwrap()).collect()
    }

    #[test]
    fn what_is_overdue_is_read_first_and_at_its_time() {
        let (mut agenda, names) = (Agenda::default(), names(3));
        let soon = NOW.plus(Span::from_seconds(2));
        agenda.set(names.iter(), |name| (*name == names[2]).then_some(soon), NOW);
        assert_eq!(agenda.take(NOW), Some(Next { resource: names[0].clone(), is_overdue: false }));
        assert_eq!(agenda.take(NOW), None, "it is being read, and the others have time");
        assert_eq!(agenda.take(soon), Some(Next { resource: names[2].clone(), is_overdue: true }));
        agenda.is_done(&names[2], None, soon);
        let next = agenda.take(NOW.plus(Span::from_seconds(10)));
        assert_eq!(next, Some(Next { resource: names[1].clone(), is_overdue: false }));
    }

    #[test]
    fn each_is_read_twice_a_minute_where_they_are_few_and_three_reads_a_second_suffice_where_they_are_many() {
        for (count, within) in [(1, 30), (50, 30), (1000, 300)] {
            let (mut agenda, names) = (Agenda::default(), names(count));
            agenda.set(names.iter(), |_| None, NOW);
            let mut read = std::collections::BTreeSet::new();
            for second in 0..=within {
                let now = NOW.plus(Span::from_seconds(second));
                let mut at_once = 0;
                while let Some(next) = agenda.take(now) {
                    agenda.is_done(&next.resource, None, now);
                    read.insert(next.resource);
                    at_once += 1;
                }
                assert!(at_once <= 5, "{count}: {at_once} reads in a second");
            }
            assert_eq!(read.len(), count, "each within {within} s");
        }
    }

    #[test]
    fn a_resource_that_fails_is_tried_again_and_again_and_keeps_no_other_from_its_turn() {
        let (mut agenda, names) = (Agenda::default(), names(2));
        agenda.set(names.iter(), |_| Some(NOW), NOW);
        let first = agenda.take(NOW).unwrap().resource;
        agenda.has_failed(&first, NOW, &SystemRandom);
        assert_ne!(agenda.take(NOW).unwrap().resource, first);
        let mut now = NOW;
        for _ in 0..20 {
            let until = now.plus(Span::from_seconds(15));
            while agenda.take(now).is_none() {
                now = now.plus(Span::from_millis(500));
                assert!(now <= until, "never more than 15 s");
            }
            agenda.has_failed(&first, now, &SystemRandom);
        }
    }
}
