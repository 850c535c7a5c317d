//! Points in time and lengths of time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;

/// How far the times of two replicas may be apart.
const CLOCKS_DIFFER: Span = Span::from_seconds(5);

/// A point in time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// As milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// As whole seconds since the epoch.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `span`.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// Earlier by `span`.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The time from `earlier` to here; nothing where `earlier` is in fact later.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }

    /// Whether what is good until `until`, and for `life` at the most, is good now. What would be good for longer was made by a clock that
    /// was ahead, which an operator has set right since: it is not.
    pub fn is_good(self, until: Self, life: Span) -> bool {
        self < until && until <= self.plus(life).plus(CLOCKS_DIFFER)
    }

    /// RFC 3339 to the millisecond, for programs that must not lose any of it.
    pub fn to_the_millisecond(self) -> String {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(at) => at.to_rfc3339_opts(SecondsFormat::Millis, true),
            None => self.to_string(),
        }
    }

    /// Reads what [`fmt::Display`] writes: RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_millis()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To the second: what people and cloud consoles read has no use for more. Rounded down, so nothing is promised too long.
        match DateTime::<Utc>::from_timestamp(self.as_seconds(), 0) {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => write!(f, "{} ms since the epoch", self.0),
        }
    }
}

/// A length of time that reads `90m`, `2h` or `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(i64);

impl Span {
    /// From milliseconds; a negative number is nothing.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < 0 { 0 } else { millis })
    }

    /// From seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// From minutes.
    pub const fn from_minutes(minutes: i64) -> Self {
        Self::from_seconds(minutes.saturating_mul(60))
    }

    /// From hours.
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_minutes(hours.saturating_mul(60))
    }

    /// As milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// As the standard library's type.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 3] = [(3_600, "h"), (60, "m"), (1, "s")];
        let mut seconds = self.0 / 1000;
        if seconds == 0 {
            return f.write_str("0s");
        }
        let mut gap = "";
        for (unit, letter) in UNITS {
            let count = seconds / unit;
            seconds %= unit;
            if count > 0 {
                write!(f, "{gap}{count}{letter}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// The unit is missing: `2` could be hours or minutes.
    #[error("`{0}` has no unit; write `{0}h` for hours or `{0}m` for minutes")]
    NoUnit(String),
    /// Not a duration at all.
    #[error("`{0}` is not a duration; write for example `90m`, `2h` or `1d`")]
    NotADuration(String),
    /// No time, or more than anybody could mean.
    #[error("`{0}` is out of range; write for example `90m`, `2h` or `1d`")]
    OutOfRange(String),
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let text = text.trim();
        let mut rest = text;
        let mut total: i64 = 0;
        while !rest.is_empty() {
            let (amount, unit, after) = split_part(rest).ok_or_else(|| SpanError::NotADuration(text.to_owned()))?;
            let seconds = match unit.to_ascii_lowercase().as_str() {
                "s" | "sec" | "secs" | "second" | "seconds" => 1,
                "m" | "min" | "mins" | "minute" | "minutes" => 60,
                "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
                "d" | "day" | "days" => 86_400,
                "" => return Err(SpanError::NoUnit(text.to_owned())),
                _ => return Err(SpanError::NotADuration(text.to_owned())),
            };
            let part = amount.checked_mul(seconds).and_then(|part| total.checked_add(part));
            total = part.ok_or_else(|| SpanError::OutOfRange(text.to_owned()))?;
            rest = after;
        }
        // A year: far beyond every limit, and small enough that no sum with a time can overflow.
        match total {
            1..=31_536_000 => Ok(Self::from_seconds(total)),
            0 if text.is_empty() => Err(SpanError::NotADuration(text.to_owned())),
            _ => Err(SpanError::OutOfRange(text.to_owned())),
        }
    }
}

/// Splits `2h30m` into `2`, `h` and `30m`.
fn split_part(text: &str) -> Option<(i64, &str, &str)> {
    let text = text.trim_start();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let amount = text[..digits].parse().ok()?;
    let unit_and_rest = text[digits..].trim_start();
    let letters = unit_and_rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit_and_rest.len());
    let (unit, rest) = unit_and_rest.split_at(letters);
    Some((amount, unit, rest.trim_start()))
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, minutes) in [("90m", 90), ("2h", 120), ("1d", 1440), ("2 hours", 120), ("1h30m", 90), (" 1h 30 min ", 90)] {
            assert_eq!(text.parse(), Ok(Span::from_minutes(minutes)), "{text}");
        }
        assert_eq!("2".parse::<Span>(), Err(SpanError::NoUnit("2".into())));
        for text in ["", "h", "-2h", "2x", "0h", "1.5h", "99999999999999999999h", "400d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["2h", "90s", "1h 30m", "25h"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        assert_eq!(Span::from_minutes(90).to_string(), "1h 30m");
    }

    #[test]
    fn a_time_reads_back_to_the_second() {
        let at = Timestamp::from_millis(1_700_000_000_999);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(Timestamp::from_millis(1_700_000_000_000)));
    }
}
