//! The pace that Discord asks for: how much of each bucket is left, as its answers say, and for how long there is to be none.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde::Deserialize;
use serenity::http::{LightMethod, RatelimitingBucket};

use super::calls::code;
use crate::chat::{Limit, Limited};

/// Buckets remembered at the most.
const REMEMBERED: usize = 10_000;
/// For how long to wait where Discord says 429 and nothing more.
const UNSAID: Duration = Duration::from_secs(1);
/// No wait is longer: whatever says more is a mistake, or a ban that somebody has to look at.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

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

/// What the body of a refusal for being too fast says.
#[derive(Debug, Default, Deserialize)]
pub struct TooFast {
    #[serde(default)]
    code: isize,
    retry_after: Option<f64>,
    #[serde(default)]
    global: bool,
}

/// What a refusal for being too fast concerns, and for how long: the header rounds, and where a limit is of one message it is of another
/// bucket, so the longer of the two waits counts. `said` is none where it is no refusal of Discord's own, but of what stands before it.
pub fn limit(method: LightMethod, headers: &HeaderMap, said: Option<&TooFast>) -> Limit {
    let in_body = said.and_then(|said| said.retry_after).and_then(duration);
    let wait = seconds(headers, "retry-after").max(in_body).unwrap_or(UNSAID);
    let scope = headers.get("x-ratelimit-scope").is_some_and(|scope| scope == "global");
    let of = match said {
        None => Limited::Chat,
        Some(said) if said.global || scope || headers.contains_key("x-ratelimit-global") => Limited::Chat,
        Some(TooFast { code: code::OLD_MESSAGE_EDITS, .. }) => Limited::Message,
        Some(TooFast { code: code::CHANNEL_WRITES, .. }) if method == LightMethod::Patch => Limited::Message,
        Some(_) => Limited::Channel,
    };
    Limit { of, wait: Some(wait) }
}

impl Pace {
    /// Takes one call out of a bucket; else what is to be waited for.
    pub fn take(&self, bucket: Bucket, now: Instant) -> Result<(), (Limited, Duration)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = state.closed_until.filter(|until| *until > now) {
            return Err((Limited::Chat, until - now));
        }
        match state.buckets.get_mut(&bucket).filter(|left| left.until > now) {
            Some(Left { calls: 0, until }) => Err((Limited::Channel, *until - now)),
            Some(left) => {
                left.calls -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Learns from an answer how much is left of its bucket.
    pub fn learn(&self, bucket: Bucket, headers: &HeaderMap, now: Instant) {
        if let (Some(calls), Some(after)) = (read(headers, "x-ratelimit-remaining"), seconds(headers, "x-ratelimit-reset-after"))
        {
            self.put(bucket, Left { calls, until: now + after });
        }
    }

    /// Learns from a refusal for being too fast. One message's own limit is none of its bucket's: other messages go on.
    pub fn close(&self, bucket: Bucket, limit: Limit, now: Instant) {
        let until = now + limit.wait.unwrap_or(UNSAID);
        match limit.of {
            Limited::Message => {}
            Limited::Channel => self.put(bucket, Left { calls: 0, until }),
            Limited::Chat => self.state.lock().unwrap_or_else(PoisonError::into_inner).closed_until = Some(until),
        }
    }

    fn put(&self, bucket: Bucket, left: Left) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.buckets.len() >= REMEMBERED {
            let now = Instant::now();
            state.buckets.retain(|_, left| left.until > now);
        }
        state.buckets.insert(bucket, left);
    }
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    duration(read(headers, name)?)
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.min(LONGEST.as_secs_f64())).ok()
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
        pace.learn(bucket(1), &headers(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset-after", "1.5")]), now);
        assert_eq!(pace.take(bucket(1), now), Ok(()));
        assert_eq!(pace.take(bucket(1), now), Err((Limited::Channel, Duration::from_millis(1500))));
        assert_eq!(pace.take(bucket(2), now), Ok(()));
        assert_eq!(pace.take(bucket(1), now + Duration::from_millis(1500)), Ok(()));
    }

    fn said(body: &str) -> TooFast {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn what_a_refusal_concerns_is_what_it_says() {
        let of =
            |method, given: &[(&'static str, &'static str)], body: &str| limit(method, &headers(given), Some(&said(body))).of;
        let plain = r#"{"message":"You are being rate limited.","retry_after":0.3,"global":false}"#;
        let (post, patch) = (LightMethod::Post, LightMethod::Patch);
        assert_eq!(of(post, &[], plain), Limited::Channel);
        assert_eq!(of(patch, &[("x-ratelimit-scope", "user")], plain), Limited::Channel);
        assert_eq!(of(post, &[("x-ratelimit-global", "true")], plain), Limited::Chat);
        assert_eq!(of(post, &[("x-ratelimit-scope", "global")], plain), Limited::Chat);
        assert_eq!(of(post, &[], r#"{"message":"","retry_after":1,"global":true}"#), Limited::Chat);
        assert_eq!(of(patch, &[], r#"{"message":"","retry_after":1,"code":30046}"#), Limited::Message);
        assert_eq!(of(patch, &[], r#"{"message":"","retry_after":1,"code":20028}"#), Limited::Message);
        assert_eq!(of(post, &[], r#"{"message":"","retry_after":1,"code":20028}"#), Limited::Channel);
        assert_eq!(limit(post, &headers(&[("retry-after", "60")]), None).of, Limited::Chat, "of what stands before Discord");
    }

    #[test]
    fn the_longest_wait_that_is_asked_for_is_kept() {
        let wait = |header: &'static str, body: &str| {
            limit(LightMethod::Post, &headers(&[("retry-after", header)]), Some(&said(body))).wait
        };
        let body = |seconds: &str| format!(r#"{{"message":"","retry_after":{seconds}}}"#);
        assert_eq!(wait("1", &body("1163.1")), Some(Duration::from_secs_f64(1163.1)));
        assert_eq!(wait("300", &body("0.5")), Some(Duration::from_secs(300)));
        assert_eq!(wait("soon", r#"{"message":""}"#), Some(UNSAID));
        assert_eq!(wait("soon", &body("-1")), Some(UNSAID));
        assert_eq!(wait("1e99", &body("1")), Some(LONGEST));
    }

    #[test]
    fn a_refusal_closes_its_bucket_or_everything_and_that_of_one_message_neither() {
        let (pace, now) = (Pace::default(), Instant::now());
        let limit = |of, seconds| Limit { of, wait: Some(Duration::from_secs(seconds)) };
        pace.close(bucket(1), limit(Limited::Message, 9), now);
        assert_eq!(pace.take(bucket(1), now), Ok(()));
        pace.close(bucket(1), limit(Limited::Channel, 3), now);
        assert_eq!(pace.take(bucket(1), now), Err((Limited::Channel, Duration::from_secs(3))));
        assert_eq!(pace.take(bucket(2), now), Ok(()));
        pace.close(bucket(1), limit(Limited::Chat, 7), now);
        assert_eq!(pace.take(bucket(2), now), Err((Limited::Chat, Duration::from_secs(7))));
    }
}
