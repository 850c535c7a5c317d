//! The pace that Discord asks for: how much of each bucket is left, as its answers say, and for how long there is to be none.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use serenity::http::{LightMethod, RatelimitingBucket};

/// Buckets remembered at the most.
const REMEMBERED: usize = 10_000;
/// For how long to wait where Discord says 429 and nothing more.
const UNSAID: Duration = Duration::from_secs(1);
/// No wait is longer: whatever says more is a mistake, or a ban that somebody has to look at.
const LONGEST: Duration = Duration::from_secs(600);

/// What is counted together.
pub type Bucket = (RatelimitingBucket, LightMethod);

/// How fast Discord may be called.
#[derive(Debug, Default)]
pub struct Pace {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    // Discord has said that the whole app is too fast.
    closed_until: Option<Instant>,
    buckets: HashMap<Bucket, Left>,
}

#[derive(Debug)]
struct Left {
    calls: u32,
    until: Instant,
}

impl Pace {
    /// Takes one call out of a bucket; else for how long to wait for it.
    pub fn take(&self, bucket: Bucket, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = state.closed_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        match state.buckets.get_mut(&bucket).filter(|left| left.until > now) {
            Some(Left { calls: 0, until }) => Err(*until - now),
            Some(left) => {
                left.calls -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Learns from an answer; for how long to wait, where it was a refusal for being too fast.
    pub fn learn(&self, bucket: Bucket, status: StatusCode, headers: &HeaderMap, now: Instant) -> Option<Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.buckets.len() >= REMEMBERED {
            state.buckets.retain(|_, left| left.until > now);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = seconds(headers, "retry-after").unwrap_or(UNSAID);
            let until = now + wait;
            match headers.contains_key("x-ratelimit-global") {
                true => state.closed_until = Some(until),
                false => drop(state.buckets.insert(bucket, Left { calls: 0, until })),
            }
            return Some(wait);
        }
        if let (Some(calls), Some(after)) = (read(headers, "x-ratelimit-remaining"), seconds(headers, "x-ratelimit-reset-after"))
        {
            state.buckets.insert(bucket, Left { calls, until: now + after });
        }
        None
    }
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let seconds: f64 = read(headers, name)?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST))
}

fn read<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serenity::http::Route;
    use serenity::model::id::ChannelId;

    use super::*;

    fn bucket(channel: u64) -> Bucket {
        (Route::ChannelMessages { channel_id: ChannelId::new(channel) }.ratelimiting_bucket(), LightMethod::Post)
    }

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_bucket_that_is_empty_is_waited_for_and_no_other() {
        let (pace, now) = (Pace::default(), Instant::now());
        let left = headers(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset-after", "1.5")]);
        assert_eq!(pace.learn(bucket(1), StatusCode::OK, &left, now), None);
        assert_eq!(pace.take(bucket(1), now), Ok(()));
        assert_eq!(pace.take(bucket(1), now), Err(Duration::from_millis(1500)));
        assert_eq!(pace.take(bucket(2), now), Ok(()));
        assert_eq!(pace.take(bucket(1), now + Duration::from_millis(1500)), Ok(()));
    }

    #[test]
    fn a_refusal_closes_its_bucket_or_everything_for_as_long_as_it_says() {
        let (pace, now, limited) = (Pace::default(), Instant::now(), StatusCode::TOO_MANY_REQUESTS);
        let seconds = |seconds| Duration::from_secs(seconds);
        assert_eq!(pace.learn(bucket(1), limited, &headers(&[("retry-after", "3")]), now), Some(seconds(3)));
        assert_eq!((pace.take(bucket(1), now), pace.take(bucket(2), now)), (Err(seconds(3)), Ok(())));
        let global = headers(&[("retry-after", "7"), ("x-ratelimit-global", "true")]);
        assert_eq!(pace.learn(bucket(1), limited, &global, now), Some(seconds(7)));
        assert_eq!(pace.take(bucket(2), now), Err(seconds(7)));
        assert_eq!(pace.learn(bucket(3), limited, &headers(&[("retry-after", "soon")]), now), Some(UNSAID));
        assert_eq!(pace.learn(bucket(3), limited, &headers(&[("retry-after", "1e9")]), now), Some(LONGEST));
    }
}
