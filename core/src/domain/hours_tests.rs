//! Hours of the week, also in the weeks in which clocks are changed.

use proptest::prelude::*;

use super::*;
use crate::domain::Span;

fn hours(texts: &[&str]) -> Hours {
    Hours::new(texts.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn says(hours: &Hours, now: &str) -> String {
    match hours.state_at(at(now)) {
        OpenState::Open(Some(until)) => format!("open until {until}"),
        OpenState::Open(None) => "open".to_owned(),
        OpenState::Closed(until) => format!("opens {until}"),
    }
}

#[test]
fn hours_are_read_as_people_write_them_and_errors_show_an_example() {
    assert_eq!(hours(&["mon-fri 08:00-18:00 Europe/Madrid"]).to_string(), "Mon,Tue,Wed,Thu,Fri 08:00-18:00 Europe/Madrid");
    assert_eq!(hours(&["Fri-Mon,Wed 00:00-24:00 UTC"]).to_string(), "Fri,Sat,Sun,Mon,Wed 00:00-24:00 UTC");
    let refused: Vec<_> = [
        "Mon-Fri 08:00-18:00",
        "Mo 08:00-18:00 UTC",
        "8:00-18:00 UTC",
        "08:00 UTC",
        "08:00-08:00 UTC",
        "25:00-26:00 UTC",
        "08:00-18:00 Madrid",
    ]
    .iter()
    .map(|text| text.parse::<Window>().unwrap_err().why)
    .collect();
    insta::assert_snapshot!(refused.join("\n"), @r"
    `08:00-18:00` is not a time zone; write a name of the IANA database, such as `Europe/Madrid` or `UTC`
    `Mo` is no day; days are Mon, Tue, Wed, Thu, Fri, Sat and Sun
    `8:00` is no time of the day; write it as 08:00
    `08:00` has no end
    it ends when it begins; `00:00-24:00` is the whole day
    `25:00` is no time of the day; write it as 08:00
    `Madrid` is not a time zone; write a name of the IANA database, such as `Europe/Madrid` or `UTC`
    ");
    assert!("".parse::<Window>().unwrap_err().to_string().contains("write for example `Mon-Fri 08:00-18:00 Europe/Madrid`"));
}

#[test]
fn an_office_is_open_on_weekdays_and_says_when_it_opens_again() {
    let office = hours(&["Mon-Fri 08:00-18:00 Europe/Madrid"]);
    assert_eq!(says(&office, "2026-07-03T06:00:00Z"), "open until 2026-07-03T16:00:00Z");
    assert_eq!(says(&office, "2026-07-03T16:00:00Z"), "opens 2026-07-06T06:00:00Z");
    assert_eq!(says(&office, "2026-07-06T05:59:59Z"), "opens 2026-07-06T06:00:00Z");
    assert_eq!(office.in_words(at("2026-07-06T06:00:00Z")), "Monday 08:00 (Europe/Madrid)");
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let night = hours(&["Fri 22:00-06:00 Europe/Madrid"]);
    assert_eq!(says(&night, "2026-07-03T20:00:00Z"), "open until 2026-07-04T04:00:00Z");
    assert_eq!(says(&night, "2026-07-04T03:59:00Z"), "open until 2026-07-04T04:00:00Z");
    assert_eq!(says(&night, "2026-07-03T19:59:00Z"), "opens 2026-07-03T20:00:00Z");
    assert_eq!(says(&night, "2026-07-04T04:00:00Z"), "opens 2026-07-10T20:00:00Z");
}

#[test]
fn windows_that_follow_each_other_are_one_and_all_of_the_week_is_for_ever() {
    let shifts = hours(&["Mon 08:00-24:00 UTC", "Tue 00:00-06:00 UTC", "Tue 05:00-07:00 UTC"]);
    assert_eq!(says(&shifts, "2026-07-06T09:00:00Z"), "open until 2026-07-07T07:00:00Z");
    assert_eq!(says(&hours(&["00:00-24:00 Europe/Madrid"]), "2026-07-06T09:00:00Z"), "open");
}

#[test]
fn on_the_day_on_which_clocks_are_put_forward_a_window_is_an_hour_shorter() {
    for (zone, before, opens, closes) in [
        ("Europe/Madrid", "2026-03-28T12:00:00Z", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
        ("America/New_York", "2026-03-07T15:00:00Z", "2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z"),
    ] {
        // From 01:00 to 04:00 are two hours that day.
        let night = hours(&[&format!("Sun 01:00-04:00 {zone}")]);
        assert_eq!(says(&night, before), format!("opens {opens}"));
        assert_eq!(says(&night, opens), format!("open until {closes}"));
    }
    // 02:30 does not exist: what begins then begins at the jump, and what ends then ends at it.
    assert_eq!(says(&hours(&["Sun 02:30-04:00 Europe/Madrid"]), "2026-03-29T01:00:00Z"), "open until 2026-03-29T02:00:00Z");
    assert_eq!(says(&hours(&["Sun 01:00-02:30 Europe/Madrid"]), "2026-03-29T00:00:00Z"), "open until 2026-03-29T01:00:00Z");
    // Nothing is left of what the clocks skip.
    assert_eq!(says(&hours(&["Sun 02:10-02:50 Europe/Madrid"]), "2026-03-29T00:00:00Z"), "opens 2026-04-05T00:10:00Z");
}

#[test]
fn on_the_day_on_which_clocks_are_put_back_a_window_is_open_for_no_longer_than_it_says() {
    // 02:00 to 03:00 is shown twice. What ends in it ends the first time, and what begins in it begins the second time.
    let (early, late) = (hours(&["Sun 01:00-02:30 Europe/Madrid"]), hours(&["Sun 02:30-04:00 Europe/Madrid"]));
    assert_eq!(says(&early, "2026-10-24T23:00:00Z"), "open until 2026-10-25T00:30:00Z");
    assert_eq!(says(&late, "2026-10-25T00:30:00Z"), "opens 2026-10-25T01:30:00Z");
    assert_eq!(says(&late, "2026-10-25T01:30:00Z"), "open until 2026-10-25T03:00:00Z");
    let around = hours(&["Sun 00:00-06:00 America/New_York"]);
    assert_eq!(says(&around, "2026-11-01T04:00:00Z"), "open until 2026-11-01T11:00:00Z");
    // An office on the Monday after opens by the new time.
    assert_eq!(says(&hours(&["Mon 08:00-18:00 Europe/Madrid"]), "2026-10-24T12:00:00Z"), "opens 2026-10-26T07:00:00Z");
}

prop_compose! {
    fn a_window()(
        days in prop::sample::subsequence(DAYS.to_vec(), 1..=7),
        from in 0_u32..1440,
        length in 1_u32..1440,
        zone in prop::sample::select(vec!["Europe/Madrid", "America/New_York", "UTC", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    ) -> Window {
        let names: Vec<_> = days.iter().map(|(name, _)| *name).collect();
        let clock = |minutes: u32| format!("{:02}:{:02}", minutes % 1440 / 60, minutes % 60);
        format!("{} {}-{} {zone}", names.join(","), clock(from), clock(from + length)).parse().unwrap()
    }
}

proptest! {
    #[test]
    fn the_next_opening_is_open_and_nothing_before_it_is(
        windows in prop::collection::vec(a_window(), 1..4),
        now in 1_760_000_000_000_i64..1_800_000_000_000,
    ) {
        let hours = Hours::new(windows).unwrap();
        let now = Timestamp::from_millis(now);
        match hours.state_at(now) {
            OpenState::Closed(opens) => {
                prop_assert!(opens > now);
                prop_assert!(matches!(hours.state_at(opens), OpenState::Open(_)), "{} at {}", hours, opens);
                let before = opens.minus(Span::from_millis(1));
                prop_assert!(matches!(hours.state_at(before), OpenState::Closed(_)), "{} at {}", hours, before);
            }
            OpenState::Open(Some(until)) => {
                prop_assert!(until > now);
                prop_assert!(matches!(hours.state_at(until), OpenState::Closed(_)), "{} at {}", hours, until);
                let before = until.minus(Span::from_millis(1));
                prop_assert_eq!(hours.state_at(before), OpenState::Open(Some(until)));
            }
            OpenState::Open(None) => {}
        }
    }
}
