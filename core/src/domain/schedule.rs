//! Sessions that start by themselves: at the ticks of a cron expression, as clocks in a time zone show them.

use std::fmt;
use std::str::FromStr;

use chrono::TimeZone;

use super::{Addresses, MemberName, RoleName, ScheduleName, Span, Timestamp, Zone};

/// Ticks looked at for one whose session may still be running.
const MOST_TICKS: usize = 100;

/// A session that starts again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What people call it.
    pub name: ScheduleName,
    /// When.
    pub ticks: Ticks,
    /// Whose session it is.
    pub member: MemberName,
    /// The role whose resources alone it opens; those of all of the member's roles where it does not say.
    pub role: Option<RoleName>,
    /// From where.
    pub addresses: Addresses,
    /// For how long from the tick on.
    pub duration: Span,
    /// Why.
    pub reason: Option<String>,
}

/// The ticks of a cron expression in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticks {
    cron: cron::Schedule,
    zone: Zone,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no cron expression: {why}; write minute, hour, day, month and weekday, for example `0 8 * * Mon-Fri`, or seconds \
     before them"
)]
pub struct CronError {
    text: String,
    why: String,
}

impl Ticks {
    /// From a cron expression of five fields, or of six with seconds.
    pub fn new(cron: &str, zone: Zone) -> Result<Self, CronError> {
        let refused = |why: String| CronError { text: cron.to_owned(), why };
        let fields: Vec<_> = cron.split_whitespace().collect();
        let with_seconds = match fields.len() {
            5 => format!("0 {cron}"),
            6 => cron.to_owned(),
            many => return Err(refused(format!("it has {many} fields"))),
        };
        // 1 is Monday to cron and Sunday to others: a slip would open on the wrong day.
        if fields.last().is_some_and(|days| days.contains(|c: char| c.is_ascii_digit())) {
            return Err(refused("weekdays are written as Mon, Tue, Wed, Thu, Fri, Sat and Sun".to_owned()));
        }
        let cron = cron::Schedule::from_str(&with_seconds).map_err(|error| refused(error.to_string().trim().to_owned()))?;
        // Like the 30th of February. Any time is as good as any: the next leap year is at most eight years away.
        if cron.after(&chrono::DateTime::<chrono::Utc>::UNIX_EPOCH).next().is_none() {
            return Err(refused("it names a day that no month has".to_owned()));
        }
        Ok(Self { cron, zone })
    }

    /// From where to count on the wall's clock for ticks after a time. Cron counts as if clocks were never changed; a day earlier
    /// covers every change of theirs.
    fn wall_before(&self, after: Timestamp) -> chrono::DateTime<chrono::Utc> {
        let margin = if self.zone == Zone::UTC { Span::from_seconds(0) } else { Span::from_hours(24) };
        chrono::Utc.from_utc_datetime(&self.zone.shows(after.minus(margin)))
    }

    /// The ticks after a time, and not after another, in their order. What clocks skip ticks when they skip it, and what they show
    /// twice ticks the first time.
    pub fn between(&self, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let ticks = self.cron.after(&self.wall_before(after)).map(|tick| self.zone.first(tick.naive_utc()));
        let mut ticks: Vec<_> =
            ticks.skip_while(|tick| *tick <= after).take_while(|tick| *tick <= until).take(MOST_TICKS).collect();
        // Two that were skipped are one.
        ticks.dedup();
        ticks
    }

    /// Whether it ticks at exactly this time.
    pub fn has(&self, tick: Timestamp) -> bool {
        !self.between(tick.minus(Span::from_millis(1)), tick).is_empty()
    }

    /// The first tick after a time.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.cron.after(&self.wall_before(now)).map(|tick| self.zone.first(tick.naive_utc())).find(|tick| *tick > now)
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Few write the seconds, and those at which nobody has are the first of each minute.
        let cron = self.cron.source();
        write!(f, "{} {}", cron.strip_prefix("0 ").unwrap_or(cron), self.zone.name())
    }
}

impl Schedule {
    /// The ticks whose sessions could be running now.
    pub fn running_at(&self, now: Timestamp) -> Vec<Timestamp> {
        self.ticks.between(now.minus(self.duration), now)
    }

    /// How much of a tick's session is left.
    pub fn left_of(&self, tick: Timestamp, now: Timestamp) -> Span {
        tick.plus(self.duration).since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(cron: &str, zone: &str, after: &str, until: &str) -> Vec<String> {
        let at = |text| Timestamp::parse(text).unwrap();
        let ticks = Ticks::new(cron, zone.parse().unwrap()).unwrap();
        ticks.between(at(after), at(until)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_office_opens_on_weekdays_by_the_clock_on_its_wall() {
        let week = ticks("0 8 * * Mon-Fri", "Europe/Madrid", "2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z");
        assert_eq!(week, ["2026-03-27T07:00:00Z", "2026-03-30T06:00:00Z"]);
        assert_eq!(ticks("30 0 8 * * Mon", "UTC", "2026-03-30T07:00:00Z", "2026-03-30T09:00:00Z"), ["2026-03-30T08:00:30Z"]);
        let at = Timestamp::parse("2026-03-27T07:00:00Z").unwrap();
        let office = Ticks::new("0 8 * * Mon-Fri", "Europe/Madrid".parse().unwrap()).unwrap();
        assert_eq!(office.next_after(at).unwrap().to_string(), "2026-03-30T06:00:00Z");
    }

    #[test]
    fn a_tick_that_clocks_skip_is_made_when_they_do_and_one_that_they_show_twice_is_one() {
        for (zone, day, skipped) in
            [("Europe/Madrid", "2026-03-29", "T01:00:00Z"), ("America/New_York", "2026-03-08", "T07:00:00Z")]
        {
            let (from, to) = (format!("{day}T00:00:00Z"), format!("{day}T12:00:00Z"));
            assert_eq!(ticks("30 2 * * *", zone, &from, &to), [format!("{day}{skipped}")]);
            assert_eq!(ticks("*/20 2 * * *", zone, &from, &to), [format!("{day}{skipped}")], "three that are skipped are one");
        }
        assert_eq!(
            ticks("30 2 * * *", "Europe/Madrid", "2026-10-24T20:00:00Z", "2026-10-25T12:00:00Z"),
            ["2026-10-25T00:30:00Z"]
        );
        assert_eq!(
            ticks("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", "2026-11-01T12:00:00Z"),
            ["2026-11-01T05:30:00Z"]
        );
    }

    #[test]
    fn what_is_no_cron_expression_is_refused_with_an_example() {
        let refused = |cron| Ticks::new(cron, "UTC".parse().unwrap()).unwrap_err().to_string();
        assert!(refused("0 8 * * 1-5").contains("weekdays are written as Mon"), "{}", refused("0 8 * * 1-5"));
        assert!(refused("0 8 * *").contains("it has 4 fields"));
        assert!(refused("61 8 * * Mon").contains("`0 8 * * Mon-Fri`"));
        for (cron, why) in [
            ("", "it has 0 fields"),
            ("@daily", "it has 1 fields"),
            ("0 0 0 1 1 * 2030", "it has 7 fields"),
            ("0 8 30 2 *", "a day that no month has"),
            ("0 0 8 31 Apr,Jun *", "a day that no month has"),
            ("0 0 8 * * 0", "weekdays are written as Mon"),
        ] {
            assert!(refused(cron).contains(why), "{cron}: {}", refused(cron));
        }
        assert!(Ticks::new("0 8 29 2 *", Zone::UTC).is_ok());
    }

    #[test]
    fn universal_time_ticks_as_any_other_zone_does() {
        for cron in ["0 */5 * * * *", "30 2 * * *", "0 8 * * Mon-Fri", "* * * * * *"] {
            for at in ["2026-03-29T00:59:30Z", "2026-10-25T01:00:00Z", "2026-12-31T23:59:59Z"] {
                let at = Timestamp::parse(at).unwrap();
                let next = |zone: &str| Ticks::new(cron, zone.parse().unwrap()).unwrap().next_after(at);
                assert_eq!(next("UTC"), next("Africa/Abidjan"), "{cron}");
            }
        }
    }
}
