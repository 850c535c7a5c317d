//! Times as people at a terminal read them: in their own zone, and how far away.

use std::fmt;

use chrono::{DateTime, Local, Utc};
use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::domain::{Span, Timestamp};
use serde::Deserialize;

/// A point in time that the API told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(Timestamp);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Timestamp::parse(&text).map(Self).ok_or_else(|| format!("`{text}` is not a time"))
    }
}

impl Moment {
    /// `15:04, in 1h 59m`, or with the day where it is another one.
    pub fn ahead(self) -> String {
        let now = SystemClock.now();
        match self.0 > now {
            true => format!("{self}, in {}", coarse(self.0.since(now))),
            false => self.to_string(),
        }
    }

    /// `15:04, 3h ago`.
    pub fn ago(self) -> String {
        format!("{self}, {} ago", coarse(SystemClock.now().since(self.0)))
    }
}

/// As exact as anybody reads it.
fn coarse(span: Span) -> Span {
    let minute = Span::from_minutes(1).as_millis();
    match span.as_millis() {
        millis if millis < minute => span,
        millis => Span::from_millis(millis - millis % minute),
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = |at: Timestamp| DateTime::<Utc>::from_timestamp_millis(at.as_millis()).map(|at| at.with_timezone(&Local));
        match (local(self.0), local(SystemClock.now())) {
            (Some(at), Some(now)) if at.date_naive() == now.date_naive() => write!(f, "{}", at.format("%H:%M")),
            (Some(at), _) => write!(f, "{}", at.format("%Y-%m-%d %H:%M")),
            (None, _) => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_minutes_and_the_last_seconds() {
        assert_eq!(coarse(Span::from_seconds(59)).to_string(), "59s");
        assert_eq!(coarse(Span::from_seconds(2 * 3600 + 61)).to_string(), "2h 1m");
    }
}
