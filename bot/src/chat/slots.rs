//! When each post that waits for a busy channel comes to its turn. Without slots, all of them would wake whenever the channel is free, for
//! one to write and the others to wait again: a hundred posts would cost a hundred looks a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use entryguard_core::domain::{Span, Timestamp};

use super::outbox::PACE;

/// The last slot that may be given: a post looks again by then, for those before it may be gone.
const FURTHEST: Span = Span::from_minutes(1);
/// How many channels are kept before those whose slots have passed are forgotten.
const MANY: usize = 1000;

/// The last slot of each channel that this process has given to a post.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<HashMap<String, Timestamp>>);

impl Slots {
    /// The next slot of a channel that is free at `free_at` at the earliest.
    pub(super) fn next(&self, channel: &str, free_at: Timestamp, now: Timestamp) -> Timestamp {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MANY {
            slots.retain(|_, last| *last > now);
        }
        let after_last = slots.get(channel).map(|last| last.plus(PACE)).filter(|next| *next <= now.plus(FURTHEST));
        let slot = after_last.map_or(free_at, |next| next.max(free_at));
        slots.insert(channel.to_owned(), slot);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn seconds(slot: Timestamp) -> i64 {
        slot.since(NOW).as_millis() / 1000
    }

    #[test]
    fn posts_of_one_channel_wake_one_after_the_other_and_those_of_others_at_once() {
        let slots = Slots::default();
        let free_at = NOW.plus(PACE);
        let given: Vec<_> = (0..4).map(|_| seconds(slots.next("C1", free_at, NOW))).collect();
        assert_eq!(given, [1, 2, 3, 4]);
        assert_eq!(seconds(slots.next("C2", free_at, NOW)), 1);
        let later = NOW.plus(Span::from_seconds(10));
        assert_eq!(seconds(slots.next("C1", later.plus(PACE), later)), 11, "slots that have passed delay nothing");
    }

    #[test]
    fn a_hundred_posts_look_a_few_times_a_second_and_none_waits_for_longer_than_a_minute_to_look() {
        let slots = Slots::default();
        let mut looks = std::collections::BTreeMap::new();
        for _ in 0..100 {
            *looks.entry(seconds(slots.next("C1", NOW.plus(PACE), NOW))).or_insert(0) += 1;
        }
        assert!(looks.keys().all(|second| (1..=60).contains(second)) && looks.values().all(|looks| *looks <= 2), "{looks:?}");
    }
}
