//! Chance that can be had again: a seed gives the same choices every time.

use std::time::Duration;

/// Where the seed can be set, to have a run's choices again.
const SEED: &str = "ENTRYGUARD_TEST_SEED";

/// A source of choices.
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The choices of `ENTRYGUARD_TEST_SEED`, or else of this seed. Says which, for whoever reads of a failure.
    pub fn seeded(default: u64) -> Self {
        let set = std::env::var(SEED).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is not a number")));
        let seed = set.unwrap_or(default);
        println!("the seed is {seed}; {SEED} sets another");
        Self { state: seed }
    }

    /// Another source, for what goes on at the same time: neither takes the other's choices.
    pub fn split(&mut self) -> Self {
        Self { state: self.next() }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a usize fits");
        usize::try_from(self.next() % end).expect("it is below a usize")
    }

    /// Whether it is the one time in so many.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    /// A length of time between these two.
    pub fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let spread = usize::try_from((longest - shortest).as_millis()).expect("less than an age");
        shortest + Duration::from_millis(u64::try_from(self.below(spread)).expect("a usize fits"))
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
