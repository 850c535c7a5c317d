//! How often one caller may ask. What stops a session is never counted.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use entryguard_core::config::ApiSettings;
use entryguard_core::domain::{Identity, SessionId};
use entryguard_core::engine::Caller;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::codes;
use super::problem::Problem;

/// All keys of one member together may ask as often as so many keys.
const KEYS_PER_MEMBER: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
/// What is not taken may be shown so often in a minute from one address.
const WRONG_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
/// Above so many keys or addresses, those that were quiet are forgotten.
const MANY: usize = 10_000;

/// How often callers have asked, in this process.
pub struct Limits {
    keys: DefaultKeyedRateLimiter<String>,
    members: DefaultKeyedRateLimiter<String>,
    wrong: DefaultKeyedRateLimiter<IpAddr>,
}

impl Limits {
    /// As the configuration says.
    pub fn new(settings: ApiSettings) -> Self {
        let each = settings.requests_per_minute;
        Self {
            keys: RateLimiter::keyed(Quota::per_minute(each)),
            members: RateLimiter::keyed(Quota::per_minute(each.saturating_mul(KEYS_PER_MEMBER))),
            wrong: RateLimiter::keyed(Quota::per_minute(WRONG_PER_MINUTE)),
        }
    }

    /// Counts a request of a member's, and refuses one too many.
    pub fn admit(&self, caller: &Caller) -> Result<(), Problem> {
        if let Identity::ApiKey(name) = caller.identity() {
            let too_many = |wait| refused("with this key", wait);
            check(&self.keys, &format!("key {name}")).map_err(too_many)?;
        }
        check(&self.members, &caller.name().to_string()).map_err(|wait| refused("as this member", wait))
    }

    /// Counts a question of whoever has a session's key: each session by itself, for the jobs of a matrix share a member.
    pub fn admit_holder(&self, session: &SessionId) -> Result<(), Problem> {
        // API keys are as many as somebody made; sessions come and go with every job.
        if self.keys.len() > MANY {
            self.keys.retain_recent();
        }
        check(&self.keys, &format!("session {session}")).map_err(|wait| refused("about this session", wait))
    }

    /// Counts what was not taken. Whoever shows what is good is let in all the same: they may share the address.
    pub fn count_wrong(&self, from: IpAddr) -> Result<(), Problem> {
        if self.wrong.len() > MANY {
            self.wrong.retain_recent();
        }
        check(&self.wrong, &from).map_err(|wait| {
            let detail =
                format!("Too much that is not taken was shown from your address. Ask again in {} s.", wait.as_secs() + 1);
            Problem::new(codes::TOO_MANY_REQUESTS, detail).after(wait)
        })
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Duration> {
    limiter.check_key(key).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
}

fn refused(whose: &str, wait: Duration) -> Problem {
    let detail = format!(
        "You have asked too often {whose}. Ask again in {} s; to follow a session, wait with `?wait=30s` or its events rather than asking \
         again and again. Stopping is never refused.",
        wait.as_secs() + 1
    );
    Problem::new(codes::TOO_MANY_REQUESTS, detail).after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_long_ago_are_forgotten() {
        // Each has used up nothing a millisecond later.
        let limits = Limits::new(ApiSettings { requests_per_minute: NonZeroU32::new(60_000).unwrap() });
        for number in 0..=MANY {
            limits.admit_holder(&SessionId::from_stored(format!("s{number}"))).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
        let now = SessionId::from_stored("now");
        limits.admit_holder(&now).unwrap();
        assert!(limits.keys.len() < 10, "{}", limits.keys.len());
    }

    #[test]
    fn whoever_asks_too_often_is_not_forgotten_among_many() {
        let limits = Limits::new(ApiSettings { requests_per_minute: NonZeroU32::new(2).unwrap() });
        let eager = SessionId::from_stored("eager");
        for _ in 0..2 {
            limits.admit_holder(&eager).unwrap();
        }
        for number in 0..=MANY {
            limits.admit_holder(&SessionId::from_stored(format!("s{number}"))).unwrap();
        }
        assert!(limits.admit_holder(&eager).is_err());
    }
}
