//! The time of day, for what Slack signs and what the program writes down. Durations are measured with `Instant` instead.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub fn unix_seconds() -> i64 {
    unix_millis() / 1000
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the harness stands outside the program: it has no injected clock")]
pub fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("the clock is before the year 292 billion")
}
