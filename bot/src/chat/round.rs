//! Whom a chat is asked about: at each look whoever has something open, and some of the others, in turn. So whoever left unnoticed is
//! known to be gone before they open anything by another way, and a look stays short.

use std::collections::BTreeSet;
use std::ops::Bound;

use entryguard_core::domain::Identity;

/// How many others at a look.
const OTHERS: usize = 60;

/// How far the turn has come.
#[derive(Debug, Default)]
pub struct Round {
    last: Option<Identity>,
}

impl Round {
    /// Whom to ask about now: all of the first, and those whose turn it is.
    pub fn next(&mut self, open: BTreeSet<Identity>, everybody: BTreeSet<Identity>) -> BTreeSet<Identity> {
        let others: BTreeSet<_> = everybody.difference(&open).cloned().collect();
        let from = self.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let turn: Vec<_> = others.range((from, Bound::Unbounded)).take(OTHERS).cloned().collect();
        // Whoever comes up short is at the end, and begins anew next time.
        self.last = if turn.len() == OTHERS { turn.last().cloned() } else { None };
        open.into_iter().chain(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(range: std::ops::Range<usize>) -> BTreeSet<Identity> {
        range.map(|user| Identity::Slack { team: "T".into(), user: format!("U{user:05}") }).collect()
    }

    #[test]
    fn everybody_has_their_turn_and_whoever_has_something_open_has_it_each_time() {
        let (mut round, open, everybody) = (Round::default(), users(3..5), users(0..200));
        let mut asked = BTreeSet::new();
        for _ in 0..4 {
            let now = round.next(open.clone(), everybody.clone());
            assert!(now.is_superset(&open) && now.len() <= open.len() + OTHERS, "{}", now.len());
            asked.extend(now);
        }
        assert_eq!(asked, everybody);
        assert_eq!(round.next(open.clone(), everybody.clone()).first(), everybody.first(), "and then the first again");
    }

    #[test]
    fn a_turn_goes_on_where_whoever_was_last_is_not_there_any_more() {
        let mut round = Round::default();
        let first = round.next(BTreeSet::new(), users(0..100));
        assert_eq!(first, users(0..60));
        assert_eq!(round.next(BTreeSet::new(), users(70..100)), users(70..100));
        assert_eq!(round.next(BTreeSet::new(), BTreeSet::new()), BTreeSet::new());
    }
}
