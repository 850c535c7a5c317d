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

/// A length of time that reads `90m`, `2h`, `1.5h`, `1:30` (an hour and a half) or `1d`.
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
    /// The unit of this number is missing: `2` could be hours or minutes.
    #[error("{}", self.advising(Span(LONGEST * 1000), USUAL))]
    NoUnit(String),
    /// Not a duration at all.
    #[error("{}", self.advising(Span(LONGEST * 1000), USUAL))]
    NotADuration(String),
    /// No time, or more than anybody could mean.
    #[error("{}", self.advising(Span(LONGEST * 1000), USUAL))]
    OutOfRange(String),
}

/// A year, in seconds: far beyond every limit, and small enough that no sum with a time can overflow.
const LONGEST: i64 = 31_536_000;
/// The units that are advised for a number without one.
const UNITS: [(&str, &str); 2] = [("h", "hours"), ("m", "minutes")];
/// The default advice.
const USUAL: Span = Span::from_hours(2);

impl SpanError {
    /// What is wrong, and what to write instead: no more than `longest`, and `usual` where that leaves no example.
    pub fn advising(&self, longest: Span, usual: Span) -> String {
        let fits = |text: &String| text.parse::<Span>().is_ok_and(|span| span <= longest);
        let (text, problem) = match self {
            Self::NoUnit(text) => (text, "has no unit"),
            Self::NotADuration(text) => (text, "is not a duration"),
            Self::OutOfRange(text) => (text, "is out of range"),
        };
        let units = if matches!(self, Self::NoUnit(_)) { &UNITS[..] } else { &[] };
        let units = units
            .iter()
            .map(|(unit, name)| (format!("{text}{unit}"), name))
            .filter(|(text, _)| fits(text))
            .map(|(text, name)| format!("`{text}` for {name}"))
            .collect::<Vec<_>>();
        if !units.is_empty() {
            return format!("`{text}` {problem}; write {}", units.join(" or "));
        }
        let examples: Vec<_> = ["90m", "2h", "1d"].into_iter().map(str::to_owned).filter(fits).collect();
        let examples = if examples.is_empty() { vec![usual.to_string()] } else { examples };
        let examples: Vec<_> = examples.into_iter().map(|example| format!("`{example}`")).collect();
        let listed = match examples.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
            _ => examples.concat(),
        };
        format!("`{text}` {problem}; write for example {listed}")
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let text = text.trim();
        let not_a_duration = || SpanError::NotADuration(text.to_owned());
        let out_of_range = || SpanError::OutOfRange(text.to_owned());
        let mut total = clock(text).unwrap_or(0);
        let mut rest = if total > 0 { "" } else { text };
        let mut before = "";
        while !rest.is_empty() {
            let part = Part::split_off(rest).ok_or_else(not_a_duration)?;
            let seconds = match (part.unit.to_ascii_lowercase().as_str(), before) {
                ("s" | "sec" | "secs" | "second" | "seconds", _) => 1,
                ("m" | "min" | "mins" | "minute" | "minutes", _) => 60,
                ("h" | "hr" | "hrs" | "hour" | "hours", _) => 3_600,
                ("d" | "day" | "days", _) => 86_400,
                // `1h30`: there is nothing else that the two digits could be.
                ("", "h" | "H") if part.is_minutes() => 60,
                ("", _) if part.rest.is_empty() || part.rest.starts_with(|c: char| c.is_ascii_digit()) => {
                    return Err(SpanError::NoUnit(part.number.to_owned()));
                }
                _ => return Err(not_a_duration()),
            };
            let length = part.times(seconds).and_then(|length| total.checked_add(length));
            total = length.ok_or_else(out_of_range)?;
            before = if part.is_joined { part.unit } else { "" };
            rest = part.rest;
        }
        match total {
            1..=LONGEST => Ok(Self::from_seconds(total)),
            0 if text.is_empty() => Err(not_a_duration()),
            _ => Err(out_of_range()),
        }
    }
}

/// `1:30` and `1:30:00` are hours, minutes and seconds, in seconds.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.strip_suffix(['h', 'H']).unwrap_or(text).trim_end().split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next());
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let sixtieths = |text: &str| text.parse().ok().filter(|number: &i64| text.len() == 2 && is_number(text) && *number < 60);
    if parts.next().is_some() || hours.len() > 3 || !is_number(hours) {
        return None;
    }
    let hours: i64 = hours.parse().ok()?;
    Some(hours * 3_600 + sixtieths(minutes)? * 60 + seconds.map_or(Some(0), sixtieths)?)
}

/// A number and its unit, as in `1.5h`.
struct Part<'a> {
    number: &'a str,
    unit: &'a str,
    rest: &'a str,
    // Whether what follows follows without a space.
    is_joined: bool,
}

impl<'a> Part<'a> {
    /// Splits `2h30m` into `2`, `h` and `30m`.
    fn split_off(text: &'a str) -> Option<Self> {
        let text = text.trim_start();
        let (number, unit_and_rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
        if !is_number(number) {
            return None;
        }
        let unit_and_rest = unit_and_rest.trim_start();
        let letters = unit_and_rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit_and_rest.len());
        let (unit, rest) = unit_and_rest.split_at(letters);
        Some(Self { number, unit, rest: rest.trim_start(), is_joined: !rest.starts_with(char::is_whitespace) })
    }

    fn is_minutes(&self) -> bool {
        self.number.len() == 2 && self.number.parse::<u8>().is_ok_and(|minutes| minutes < 60)
    }

    /// So many times `seconds`, without what is left below a second.
    fn times(&self, seconds: i64) -> Option<i64> {
        let (whole, fraction) = self.number.split_once('.').unwrap_or((self.number, ""));
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        // The product of nine digits and a day in seconds is far from overflowing.
        let fraction = &fraction[..fraction.len().min(9)];
        let scale = 10_i64.pow(u32::try_from(fraction.len()).ok()?);
        let below: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        whole.checked_mul(seconds)?.checked_add(below * seconds / scale)
    }
}

/// Whether a text is a number as people write one: `2`, `1.5`, `.5`.
pub fn is_number(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && !fraction.is_empty() && (text.contains('.') || !whole.is_empty())
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
        for (text, minutes) in [
            ("1.5h", 90),
            ("1.5 Hours", 90),
            ("0.5h", 30),
            (".5h", 30),
            ("0.25d", 360),
            ("1.50h", 90),
            ("1:30", 90),
            ("01:30", 90),
            ("0:45", 45),
            ("1:30h", 90),
            ("1:30:00", 90),
            ("10:00", 600),
            ("1h30", 90),
            ("1d 1.5h", 1530),
        ] {
            assert_eq!(text.parse(), Ok(Span::from_minutes(minutes)), "{text}");
        }
        assert_eq!("1.3333h".parse(), Ok(Span::from_seconds(4799)), "nothing is promised that was not asked for");
        for text in [
            "",
            "h",
            "-2h",
            "2x",
            "0h",
            "0.0h",
            "0:00",
            "99999999999999999999h",
            "400d",
            "1.h",
            ".h",
            "1..5h",
            "1.5.5h",
            "1,5h",
            "1:5",
            "1:75",
            "1:30:60",
            "1:30:00:00",
            ":30",
            "1:",
            "1000:00",
            "1:+3",
            "+1:30",
            "1h300",
            "1e2h",
            "1:30m",
            "2606:28::1",
            "٢h",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for (text, number) in [("2", "2"), ("1.5", "1.5"), ("1h 30", "30"), ("1h75", "75"), ("1m30", "30")] {
            assert_eq!(text.parse::<Span>(), Err(SpanError::NoUnit(number.into())), "{text}");
        }
    }

    #[test]
    fn what_an_error_advises_is_a_duration_and_no_longer_than_it_may_be() {
        let advice = |text: &str, longest: &str, usual: &str| {
            text.parse::<Span>().unwrap_err().advising(longest.parse().unwrap(), usual.parse().unwrap())
        };
        insta::assert_snapshot!(advice("2", "4h", "2h"), @"`2` has no unit; write `2h` for hours or `2m` for minutes");
        insta::assert_snapshot!(advice("1.5", "4h", "2h"), @"`1.5` has no unit; write `1.5h` for hours or `1.5m` for minutes");
        insta::assert_snapshot!(advice("30", "4h", "2h"), @"`30` has no unit; write `30m` for minutes");
        insta::assert_snapshot!(advice("900", "4h", "2h"), @"`900` has no unit; write for example `90m` or `2h`");
        insta::assert_snapshot!(advice("0", "30m", "20m"), @"`0` has no unit; write for example `20m`");
        insta::assert_snapshot!(advice("1,5h", "1h", "45m"), @"`1,5h` is not a duration; write for example `45m`");
        insta::assert_snapshot!(advice("400d", "48h", "2h"), @"`400d` is out of range; write for example `90m`, `2h` or `1d`");
        insta::assert_snapshot!("1:5".parse::<Span>().unwrap_err().to_string(), @"`1:5` is not a duration; write for example `90m`, `2h` or `1d`");
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
