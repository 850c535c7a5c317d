//! The time that rules every decision: it follows a wall clock ahead, and never back.
//!
//! It is `max(wall clock, the latest time that was known + monotonic time since)`. Where it is a little ahead of the wall clock it runs
//! slower until the wall clock has caught up, as NTP slews a clock: two clocks never run at quite the same rate, and without this the
//! difference would grow for ever. Where it is more than [`TOLERANCE`] ahead, the wall clock has gone back, and it does not wait for it.

use super::Monotonic;
use crate::domain::{Span, Timestamp};

/// How far a wall clock may be off before nothing is opened by it.
pub const TOLERANCE: Span = Span::from_seconds(5);

/// The time loses one millisecond in so many while it is ahead of the wall clock within the tolerance: 500 ppm, what NTP slews a clock by
/// at the most (RFC 5905, section 11.3), and five times what a quartz is off.
const SLEW: i64 = 2_000;

/// What a wall clock said, and when.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Before it was asked.
    pub asked: Monotonic,
    /// What it said.
    pub said: Timestamp,
    /// After it had answered.
    pub answered: Monotonic,
}

/// A time that never goes back, from a wall clock that may and a monotonic one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SteadyTime(Option<Line>);

#[derive(Clone, Copy, Debug)]
struct Line {
    // Milliseconds between the time and the monotonic clock.
    offset: i64,
    // From when on the next slewing counts.
    slewed_at: Monotonic,
    // How far the wall clock was behind when it was last read.
    behind: Span,
}

impl SteadyTime {
    /// Takes a reading of the wall clock; the time by then.
    pub fn advance(&mut self, reading: Reading) -> Timestamp {
        let Reading { asked, said, answered } = reading;
        let line = self.0.get_or_insert(Line::through(said, answered));
        let ahead = line.at(asked).as_millis().saturating_sub(said.as_millis());
        line.behind = Span::from_millis(ahead);
        line.reach(said, answered);
        if (1..=TOLERANCE.as_millis()).contains(&ahead) {
            line.slew(ahead, answered)
        } else {
            line.slewed_at = answered
        }
        line.at(answered)
    }

    /// The time was at least `at` at that moment.
    pub fn note(&mut self, at: Timestamp, moment: Monotonic) {
        self.0.get_or_insert(Line::through(at, moment)).reach(at, moment);
    }

    /// Forgets what was known: the time is `at` at that moment. The only way back, for an operator who says that a clock was wrong.
    pub fn restart(&mut self, at: Timestamp, moment: Monotonic) {
        self.0 = Some(Line::through(at, moment));
    }

    /// The time at a moment, as far as it is known without asking the wall clock.
    pub fn at(&self, moment: Monotonic) -> Option<Timestamp> {
        self.0.map(|line| line.at(moment))
    }

    /// How far the wall clock was behind the time when it was last read.
    pub fn behind(&self) -> Span {
        self.0.map_or(Span::from_millis(0), |line| line.behind)
    }
}

impl Line {
    const fn through(at: Timestamp, moment: Monotonic) -> Self {
        let offset = at.as_millis().saturating_sub(moment.as_millis());
        Self { offset, slewed_at: moment, behind: Span::from_millis(0) }
    }

    const fn at(&self, moment: Monotonic) -> Timestamp {
        Timestamp::from_millis(moment.as_millis().saturating_add(self.offset))
    }

    fn reach(&mut self, at: Timestamp, moment: Monotonic) {
        self.offset = self.offset.max(Self::through(at, moment).offset);
    }

    /// Gives up a millisecond for every so many that have passed: never as many as have passed, so the time does not go back.
    fn slew(&mut self, ahead: i64, answered: Monotonic) {
        let steps = answered.since(self.slewed_at).as_millis() / SLEW;
        self.offset -= steps.min(ahead);
        self.slewed_at = self.slewed_at.plus(Span::from_millis(steps * SLEW));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_767_268_800_000;

    fn read(time: &mut SteadyTime, wall: i64, monotonic: i64) -> i64 {
        let moment = Monotonic::from_millis(monotonic);
        time.advance(Reading { asked: moment, said: Timestamp::from_millis(wall), answered: moment }).as_millis()
    }

    #[test]
    fn it_follows_the_wall_clock_ahead_and_goes_on_without_it_when_that_goes_back() {
        let mut time = SteadyTime::default();
        assert_eq!(time.at(Monotonic::from_millis(0)), None);
        assert_eq!(read(&mut time, NOON, 0), NOON);
        assert_eq!(read(&mut time, NOON + 60_000, 1_000), NOON + 60_000, "it was suspended, or set ahead");
        assert_eq!(read(&mut time, NOON - 3_600_000, 2_000), NOON + 61_000);
        assert_eq!(time.behind(), Span::from_millis(3_661_000));
        assert_eq!(read(&mut time, NOON - 3_590_000, 12_000), NOON + 71_000, "as fast as ever");
        assert_eq!(time.at(Monotonic::from_millis(13_000)), Some(Timestamp::from_millis(NOON + 72_000)));
        assert_eq!(read(&mut time, NOON + 75_000, 14_000), NOON + 75_000, "it has caught up");
        assert_eq!(time.behind(), Span::from_millis(0));
    }

    #[test]
    fn a_little_ahead_it_lets_the_wall_clock_catch_up() {
        let mut time = SteadyTime::default();
        read(&mut time, NOON, 0);
        for second in 1..=40_000 {
            let wall = NOON + second * 1_000 - 4_000;
            let ahead = read(&mut time, wall, second * 1_000) - wall;
            assert!((0..=4_000).contains(&ahead), "{ahead} ms ahead");
        }
        assert_eq!(time.behind(), Span::from_millis(0), "a set-back of 4 s is over within 8,000 s");
    }

    #[test]
    fn what_an_answer_takes_is_no_going_back() {
        let mut time = SteadyTime::default();
        read(&mut time, NOON, 0);
        let late = Reading {
            asked: Monotonic::from_millis(1_000),
            said: Timestamp::from_millis(NOON + 1_010),
            answered: Monotonic::from_millis(31_000),
        };
        assert_eq!(time.advance(late), Timestamp::from_millis(NOON + 31_000));
        assert_eq!(time.behind(), Span::from_millis(0));
    }

    #[test]
    fn only_a_restart_goes_back() {
        let mut time = SteadyTime::default();
        read(&mut time, NOON, 0);
        time.note(Timestamp::from_millis(NOON - 5), Monotonic::from_millis(1));
        assert_eq!(time.at(Monotonic::from_millis(1)), Some(Timestamp::from_millis(NOON + 1)));
        time.note(Timestamp::from_millis(NOON + 50), Monotonic::from_millis(1));
        assert_eq!(time.at(Monotonic::from_millis(2)), Some(Timestamp::from_millis(NOON + 51)));
        time.restart(Timestamp::from_millis(7), Monotonic::from_millis(3));
        assert_eq!(read(&mut time, 0, 4), 8);
    }

    /// What happens to the clocks: so many milliseconds pass, and the wall clock is set by so many.
    fn happenings() -> impl Strategy<Value = Vec<(i64, i64)>> {
        let set = prop_oneof![3 => Just(0), 2 => -6_000i64..6_000, 1 => -4_000_000_000i64..4_000_000_000];
        prop::collection::vec((0i64..100_000, set), 1..200)
    }

    proptest! {
        #[test]
        fn it_never_goes_back_is_never_behind_the_wall_clock_and_never_slower_than_monotonic_time(happens in happenings()) {
            let (mut time, mut wall, mut monotonic) = (SteadyTime::default(), NOON, 0);
            let mut last = read(&mut time, wall, monotonic);
            let (first, mut slewed) = (last, 0);
            for (passes, set) in happens {
                (wall, monotonic) = (wall + passes + set, monotonic + passes);
                let now = read(&mut time, wall, monotonic);
                prop_assert!(now >= last, "it went back");
                prop_assert!(now >= wall, "it is behind the wall clock");
                let lost = (last + passes - now).max(0);
                prop_assert!(lost <= passes / SLEW + 1, "it lost {lost} ms in {passes} ms");
                if time.behind() > TOLERANCE {
                    prop_assert_eq!(lost, 0, "a clock that has gone back does not slow it");
                }
                slewed += lost;
                last = now;
            }
            prop_assert!(last >= first + monotonic - slewed && slewed <= monotonic / SLEW);
        }
    }
}
