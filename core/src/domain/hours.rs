//! When a role may be used: `Mon-Fri 08:00-18:00 Europe/Madrid`. Clocks there decide, also on the days on which they are changed.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, NaiveTime, Weekday};
use serde::Deserialize;

use super::zone::Zone;
use super::{Span, Timestamp};

/// Days to look ahead for the next opening: the one of next week may fall into what clocks skip, and the one after that does not.
const LOOK_AHEAD: usize = 20;
/// No session is longer, so what has no gap for so long never closes.
const FOR_EVER: Span = Span::from_hours(366 * 24);

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

/// When a role may be used: one or more windows of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours(Vec<Window>);

/// On some days, from one time to another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Window {
    days: Vec<Weekday>,
    from: NaiveTime,
    // None is the end of the day.
    to: Option<NaiveTime>,
    zone: Zone,
}

/// Why a text says no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` says no hours: {why}; write for example `Mon-Fri 08:00-18:00 Europe/Madrid`, `Sat,Sun 10:00-14:00 UTC`, or \
     `22:00-06:00 Europe/Madrid` for every night"
)]
pub struct HoursError {
    text: String,
    why: String,
}

/// Whether somebody may begin now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenState {
    /// Open until then; without an end where it never closes.
    Open(Option<Timestamp>),
    /// Closed until then.
    Closed(Timestamp),
}

impl Hours {
    /// From its windows, of which there is at least one.
    pub fn new(windows: Vec<Window>) -> Option<Self> {
        (!windows.is_empty()).then_some(Self(windows))
    }

    /// Whether it is open at a time, and until when it is or is not.
    pub fn state_at(&self, now: Timestamp) -> OpenState {
        let Some(mut until) = self.end_of_opening_at(now) else { return OpenState::Closed(self.opens_after(now)) };
        // Openings that follow each other without a gap are one.
        while until.since(now) < FOR_EVER {
            match self.end_of_opening_at(until) {
                Some(later) => until = later,
                None => return OpenState::Open(Some(until)),
            }
        }
        OpenState::Open(None)
    }

    /// A time as clocks there show it: `Monday 08:00 (Europe/Madrid)`.
    pub fn in_words(&self, at: Timestamp) -> String {
        match self.0.first() {
            Some(Window { zone, .. }) => format!("{} ({})", zone.shows(at).format("%A %H:%M"), zone.name()),
            None => at.to_string(),
        }
    }

    /// The end of the longest window that holds this time, if one does.
    fn end_of_opening_at(&self, at: Timestamp) -> Option<Timestamp> {
        self.openings_from_day_before(at, 2).filter(|(from, to)| *from <= at && at < *to).map(|(_, to)| to).max()
    }

    fn opens_after(&self, now: Timestamp) -> Timestamp {
        let next = self.openings_from_day_before(now, LOOK_AHEAD).map(|(from, _)| from).filter(|from| *from > now).min();
        next.unwrap_or(now)
    }

    /// The windows that begin on so many days. Those of the day before count: one that goes over midnight may still be open.
    fn openings_from_day_before(&self, at: Timestamp, days: usize) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        self.0.iter().flat_map(move |window| {
            let today = window.zone.shows(at).date();
            let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
            yesterday.iter_days().take(days).filter_map(|day| window.on(day))
        })
    }
}

impl Window {
    /// The window that begins on a day, if one does. What clocks show twice counts as late at its beginning and as early at its
    /// end, so that it is never open for longer than it says; where nothing is left of it, it is not open that day.
    fn on(&self, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(&day.weekday()) {
            return None;
        }
        let next = day.checked_add_days(Days::new(1))?;
        let to = match self.to {
            Some(to) if to > self.from => day.and_time(to),
            Some(to) => next.and_time(to),
            None => next.and_time(NaiveTime::MIN),
        };
        let (from, to) = (self.zone.last(day.and_time(self.from)), self.zone.first(to));
        (from < to).then_some((from, to))
    }
}

impl FromStr for Window {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let refused = |why: String| HoursError { text: text.to_owned(), why };
        let words: Vec<_> = text.split_whitespace().collect();
        let (days, times, zone) = match words.as_slice() {
            [days, times, zone] => (days_of(days).map_err(refused)?, times, zone),
            [times, zone] => (DAYS.map(|(_, day)| day).to_vec(), times, zone),
            _ => return Err(refused("it takes days, times and a time zone".to_owned())),
        };
        let zone = zone.parse::<Zone>().map_err(|error| refused(error.to_string()))?;
        let (from, to) = times.split_once('-').ok_or_else(|| refused(format!("`{times}` has no end")))?;
        let from = time_of(from).map_err(refused)?;
        let to = if to == "24:00" { None } else { Some(time_of(to).map_err(refused)?) };
        if to == Some(from) {
            return Err(refused("it ends when it begins; `00:00-24:00` is the whole day".to_owned()));
        }
        Ok(Self { days, from, to, zone })
    }
}

impl TryFrom<String> for Window {
    type Error = HoursError;

    fn try_from(text: String) -> Result<Self, HoursError> {
        text.parse()
    }
}

/// `Mon-Fri`, `Sat,Sun` or `Fri-Mon`.
fn days_of(text: &str) -> Result<Vec<Weekday>, String> {
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day_of(first)?, day_of(last)?);
        while day != last {
            days.push(day);
            day = day.succ();
        }
        days.push(last);
    }
    Ok(days)
}

fn day_of(text: &str) -> Result<Weekday, String> {
    let named = text.to_ascii_lowercase();
    let found = DAYS.into_iter().find(|(name, _)| *name == named);
    found.map(|(_, day)| day).ok_or_else(|| format!("`{text}` is no day; days are Mon, Tue, Wed, Thu, Fri, Sat and Sun"))
}

fn time_of(text: &str) -> Result<NaiveTime, String> {
    let well_formed = text.len() == 5;
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| well_formed);
    time.ok_or_else(|| format!("`{text}` is no time of the day; write it as 08:00"))
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<_> = self.days.iter().map(ToString::to_string).collect();
        let to = self.to.map_or_else(|| "24:00".to_owned(), |to| to.format("%H:%M").to_string());
        write!(f, "{} {}-{to} {}", days.join(","), self.from.format("%H:%M"), self.zone.name())
    }
}

#[cfg(test)]
#[path = "hours_tests.rs"]
mod tests;
