//! From what clocks on the wall show to points in time. Where they are changed, they skip an hour once a year, and show one twice.

use std::str::FromStr;

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde::Deserialize;

use super::Timestamp;

/// The longest time that clocks have ever skipped is a day (Samoa, 2011).
const LONGEST_SKIP_MINUTES: i64 = 1_500;

/// A time zone of the IANA database, such as `Europe/Madrid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(Tz);

/// Why a text is no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone; write a name of the IANA database, such as `Europe/Madrid` or `UTC`")]
pub struct NoZone(String);

impl Zone {
    /// Universal time, whose clocks are never changed.
    pub const UTC: Self = Self(Tz::UTC);

    /// What clocks show there at a point in time.
    pub fn shows(self, at: Timestamp) -> NaiveDateTime {
        let utc = DateTime::from_timestamp_millis(at.as_millis()).unwrap_or_default();
        utc.with_timezone(&self.0).naive_local()
    }

    /// When clocks show this for the first time; where they skip it, when they skip it.
    pub fn first(self, local: NaiveDateTime) -> Timestamp {
        self.resolve(local, true)
    }

    /// When clocks show this for the last time; where they skip it, when they skip it.
    pub fn last(self, local: NaiveDateTime) -> Timestamp {
        self.resolve(local, false)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    fn resolve(self, local: NaiveDateTime, first: bool) -> Timestamp {
        // Back to the last minute that clocks show: what they skip begins a minute after it.
        for skipped in 0..=LONGEST_SKIP_MINUTES {
            let shown = match self.0.from_local_datetime(&(local - Duration::minutes(skipped))) {
                MappedLocalTime::Single(at) => at,
                MappedLocalTime::Ambiguous(earlier, later) => match first && skipped == 0 {
                    true => earlier,
                    false => later,
                },
                MappedLocalTime::None => continue,
            };
            let millis = shown.timestamp_millis();
            let to_the_skip = if skipped > 0 { 60_000 - millis.rem_euclid(60_000) } else { 0 };
            return Timestamp::from_millis(millis + to_the_skip);
        }
        Timestamp::from_millis(local.and_utc().timestamp_millis())
    }
}

impl FromStr for Zone {
    type Err = NoZone;

    fn from_str(text: &str) -> Result<Self, NoZone> {
        Tz::from_str(text).map(Self).map_err(|_| NoZone(text.to_owned()))
    }
}

impl TryFrom<String> for Zone {
    type Error = NoZone;

    fn try_from(text: String) -> Result<Self, NoZone> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    #[test]
    fn what_clocks_skip_is_when_they_skip_it_and_what_they_show_twice_is_both() {
        let cases = [
            ("Europe/Madrid", "2026-03-29 02:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
            ("Europe/Madrid", "2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            ("America/New_York", "2026-03-08 02:30", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
            ("America/New_York", "2026-11-01 01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
            ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
            ("Europe/Madrid", "2026-07-01 08:00", "2026-07-01T06:00:00Z", "2026-07-01T06:00:00Z"),
        ];
        for (zone, at, first, last) in cases {
            let zone: Zone = zone.parse().unwrap();
            assert_eq!(
                (zone.first(local(at)).to_string(), zone.last(local(at)).to_string()),
                (first.into(), last.into()),
                "{at}"
            );
        }
        assert!("Madrid".parse::<Zone>().unwrap_err().to_string().contains("Europe/Madrid"));
    }
}
