//! What people type, and what is made of it.

use proptest::prelude::*;

use super::*;
use crate::domain::Span;

fn started(text: &str) -> (Option<i64>, usize, Option<String>) {
    match text.parse() {
        Ok(Command::Start { duration, addresses, reason, break_glass: false }) => {
            (duration.map(|duration| duration.as_millis() / 60_000), addresses.len(), reason)
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_session_is_asked_for_as_people_write_it() {
    assert_eq!(started("start"), (None, 0, None));
    assert_eq!(started("start 2h"), (Some(120), 0, None));
    assert_eq!(started("START 2 hours for the deploy"), (Some(120), 0, Some("the deploy".into())));
    assert_eq!(started("start for 2h because deploy"), (Some(120), 0, Some("deploy".into())));
    assert_eq!(started("2h"), (Some(120), 0, None));
    assert_eq!(started("for 2h because deploy"), (Some(120), 0, Some("deploy".into())));
    assert_eq!(started("90m for it"), (Some(90), 0, Some("it".into())));
    assert_eq!(started("start 1h 30m ip 93.184.216.34 ip 2606::1 for it"), (Some(90), 2, Some("it".into())));
}

#[test]
fn what_somebody_wants_closed_is_closed_and_never_turned_into_its_contrary() {
    for verb in ["stop", "close", "end", "cancel", "terminate", "revoke", "kill", "End"] {
        assert_eq!(format!("{verb} 1a2b3c4d").parse(), Ok(Command::Stop(Which::Named("1a2b3c4d".into()))), "{verb}");
    }
    let error = |text: &str| text.parse::<Command>().unwrap_err().to_string();
    insta::assert_snapshot!(error("deny 0a1b2c3d not today"), @r#"`deny` does not know what to do with "not"; write `deny 0a1b2c3d`"#);
    insta::assert_snapshot!(error("approve 0a1b2c3d please"), @r#"`approve` does not know what to do with "please"; write `approve 0a1b2c3d`"#);
    insta::assert_snapshot!(error("deny `x y"), @r#"`deny` does not know what to do with "y"; write `deny 1a2b3c4d`"#);
}

#[test]
fn only_what_is_near_is_suggested() {
    let suggested = |text: &str| match text.parse::<Command>() {
        Err(CommandError::UnknownVerb { nearest, .. }) => nearest,
        other => panic!("{text}: {other:?}"),
    };
    for (slip, meant) in [
        ("renew 1a2b3c4d 2h", "extend 1a2b3c4d 2h"),
        ("prolong", "extend"),
        ("delete 1a2b3c4d", "stop 1a2b3c4d"),
        ("stpo 1a2b3c4d", "stop 1a2b3c4d"),
        ("aprove 1a2b3c4d", "approve 1a2b3c4d"),
        ("reject 1a2b3c4d", "deny 1a2b3c4d"),
        ("accept 1a2b3c4d", "approve 1a2b3c4d"),
        ("panik", "panic"),
        ("resurces", "resources"),
    ] {
        assert_eq!(suggested(slip).as_deref(), Some(meant), "{slip}");
    }
    for nothing in ["xyzzy", "deploy", "please", "penicillin", "pan", "prod", "what", "тест"] {
        assert_eq!(suggested(nothing), None, "{nothing}");
    }
    let error = "xyzzy".parse::<Command>().unwrap_err().to_string();
    insta::assert_snapshot!(error, @"`xyzzy` is not a command; `help` shows them all");
}

const VOCABULARY: [&str; 18] = [
    "2h",
    "2",
    "1h",
    "an",
    "hour",
    "half",
    "and",
    "for",
    "because",
    "ip",
    "93.184.216.34",
    "2606:2800:220:1::1,",
    "the",
    "deploy",
    "until",
    "--break-glass",
    "30",
    "a",
];

/// Durations as people write them, and how many minutes they are.
const SPELLINGS: [(&str, i64); 27] = [
    ("2h", 120),
    ("2h,", 120),
    ("2 Hours", 120),
    ("two hours", 120),
    ("an hour", 60),
    ("one hour", 60),
    ("half an hour", 30),
    ("half a day", 720),
    ("an hour and a half", 90),
    ("one and a half hours", 90),
    ("two hours and a half", 150),
    ("1 hour and 30 minutes", 90),
    ("1 hour, 30 minutes", 90),
    ("1h and 30m", 90),
    ("1h 30m", 90),
    ("an hour and thirty minutes", 90),
    ("forty-five minutes", 45),
    ("a day", 1440),
    ("1h30m", 90),
    ("1.5h", 90),
    ("1.5 hours", 90),
    ("0.5h,", 30),
    (".5 hours", 30),
    ("1:30", 90),
    ("1:30 hours", 90),
    ("1h30", 90),
    ("2.5 hours and 30 minutes", 180),
];

#[test]
fn a_duration_is_understood_in_words_and_wherever_it_stands() {
    for (spelling, minutes) in SPELLINGS {
        let nothing =
            [format!("start {spelling}"), format!("start for {spelling}"), spelling.to_owned(), format!("for {spelling}")];
        for text in nothing.iter().chain(&[format!("start for the next {spelling}"), format!("start for about {spelling}")]) {
            assert_eq!(started(text), (Some(minutes), 0, None), "{text}");
        }
        for text in [
            format!("start {spelling} because deploy"),
            format!("start {spelling} for deploy"),
            format!("start for {spelling} because deploy"),
            format!("start for deploy for {spelling}"),
            format!("start because deploy for {spelling}."),
            format!("start because deploy, for about {spelling}"),
        ] {
            assert_eq!(started(&text), (Some(minutes), 0, Some("deploy".into())), "{text}");
        }
        assert_eq!(started(&format!("start {spelling} ip 93.184.216.34")), (Some(minutes), 1, None), "{spelling}");
        for by in ["", "by ", "for ", "by another "] {
            let (text, by) = (format!("extend {by}{spelling}"), Some(Span::from_minutes(minutes)));
            assert_eq!(text.parse(), Ok(Command::Extend { which: Which::TheOnly, by }), "{text}");
            let text = text.replace("extend", "extend 1a2b3c4d");
            assert_eq!(text.parse(), Ok(Command::Extend { which: Which::Named("1a2b3c4d".into()), by }), "{text}");
        }
    }
}

#[test]
fn a_reason_that_has_numbers_stays_a_reason() {
    for reason in [
        "a second look at prod",
        "the 3rd attempt",
        "the 42 servers",
        "one deploy",
        "a release",
        "the hour of need",
        "half of the fleet",
        "Anna for Bo",
        "version 1.5",
        "the 1:1 with Bo",
    ] {
        assert_eq!(started(&format!("start 2h for {reason}")), (Some(120), 0, Some(reason.into())));
        assert_eq!(started(&format!("start for {reason}")), (None, 0, Some(reason.into())));
    }
    // The first that is said counts.
    assert_eq!(started("start 2h for deploy for 30m"), (Some(120), 0, Some("deploy for 30m".into())));
}

#[test]
fn addresses_follow_each_other_with_and_without_commas() {
    let (v4, v6) = ("93.184.216.34", "2606:2800:220:1::1");
    for both in
        [format!("{v4} {v6}"), format!("{v4}, {v6}"), format!("{v4},{v6}"), format!("{v4} and {v6},"), format!("{v4} ip {v6}")]
    {
        assert_eq!(started(&format!("start 2h, ip {both} for it")), (Some(120), 2, Some("it".into())), "{both}");
    }
    assert_eq!(started(&format!("start ip {v4}, because it")), (None, 1, Some("it".into())));
    assert!("start ip , for it".parse::<Command>().is_err());
}

#[test]
fn the_glass_is_broken_wherever_the_flag_stands() {
    for text in ["start 1h --break-glass for prod", "start --break-glass 1h for prod", "start 1h for prod —break-glass"] {
        let Ok(Command::Start { break_glass: true, reason, .. }) = text.parse() else { panic!("{text}") };
        assert_eq!(reason.as_deref(), Some("prod"), "{text}");
    }
}

#[test]
fn a_request_is_answered_by_its_id() {
    let answer = |verdict| Command::Answer { session: "1a2b3c4d".to_owned(), verdict };
    assert_eq!("approve 1a2b3c4d".parse(), Ok(answer(Verdict::Approve)));
    assert_eq!("deny 1a2b3c4d".parse(), Ok(answer(Verdict::Deny)));
    let missing = "approve".parse::<Command>().unwrap_err().to_string();
    insta::assert_snapshot!(missing, @"`approve` needs the session's id behind it, for example `approve 1a2b3c4d`");
}

#[test]
fn the_other_commands_name_a_session_or_take_the_only_one() {
    assert_eq!("stop".parse(), Ok(Command::Stop(Which::TheOnly)));
    for text in ["stop all", "stop --all", "stop —all", "STOP ALL", "stop everything", "stop all sessions", "close all"] {
        assert_eq!(text.parse(), Ok(Command::Stop(Which::AllOwn)), "{text}");
    }
    assert_eq!("stop 1a2b3c4d".parse(), Ok(Command::Stop(Which::Named("1a2b3c4d".into()))));
    assert_eq!("extend".parse(), Ok(Command::Extend { which: Which::TheOnly, by: None }));
    assert_eq!("extend 2h".parse(), Ok(Command::Extend { which: Which::TheOnly, by: Some(Span::from_hours(2)) }));
    let named = Command::Extend { which: Which::Named("12345678".into()), by: Some(Span::from_minutes(90)) };
    for text in ["extend 12345678 90m", "extend 12345678 90 minutes", "extend 12345678 by 1h 30m"] {
        assert_eq!(text.parse(), Ok(named.clone()), "{text}");
    }
    for text in ["extend 2 hours", "extend for 2h", "extend by 2 hours"] {
        assert_eq!(text.parse(), Ok(Command::Extend { which: Which::TheOnly, by: Some(Span::from_hours(2)) }), "{text}");
    }
    assert_eq!("".parse(), Ok(Command::Help));
    assert_eq!("web".parse(), Ok(Command::Web));
    assert_eq!("link".parse(), Ok(Command::Link));
    assert_eq!("link 0123-abcd EFGH".parse(), Ok(Command::LinkWith(JoinCode::typed("0123ABCDEFGH"))));
    assert_eq!("unlink slack:T1/U1".parse(), Ok(Command::Unlink(Some("slack:T1/U1".parse().unwrap()))));
}

#[test]
fn administrators_list_everybodys_and_close_at_once_by_name() {
    assert_eq!(("list".parse(), "list all".parse()), (Ok(Command::List), Ok(Command::ListAll)));
    let (ana, db) = (PanicScope::parse("MEMBER", "ana").unwrap(), PanicScope::parse("RESOURCE", "postgres-prod").unwrap());
    for text in ["panic", "panic all", "PANIC ALL"] {
        assert_eq!(text.parse(), Ok(Command::Panic(PanicScope::All)), "{text}");
    }
    assert_eq!("panic member ana".parse(), Ok(Command::Panic(ana.clone())));
    assert_eq!("panic resource postgres-prod".parse(), Ok(Command::Panic(db)));
    assert_eq!("panic lift".parse(), Ok(Command::LiftPanic(None)));
    assert_eq!("panic lift all".parse(), Ok(Command::LiftPanic(Some(PanicScope::All))));
    assert_eq!("panic lift member ana".parse(), Ok(Command::LiftPanic(Some(ana))));
    let error = |text: &str| text.parse::<Command>().unwrap_err().to_string();
    insta::assert_snapshot!(error("panic ana"), @r#"`panic` does not know "ana"; write `panic`, `panic member ana` or `panic resource postgres-prod`"#);
    insta::assert_snapshot!(error("panic member"), @r#"`panic` does not know "member"; write `panic`, `panic member ana` or `panic resource postgres-prod`"#);
}

#[test]
fn a_slip_is_answered_with_the_right_command() {
    let error = |text: &str| text.parse::<Command>().unwrap_err().to_string();
    insta::assert_snapshot!(error("strat 2h"), @"`strat` is not a command; did you mean `start 2h`? `help` shows them all");
    insta::assert_snapshot!(error("lsit"), @"`lsit` is not a command; did you mean `list`? `help` shows them all");
    insta::assert_snapshot!(error("exten 1a2b3c4d 2h"), @"`exten` is not a command; did you mean `extend 1a2b3c4d 2h`? `help` shows them all");
    insta::assert_snapshot!(error("start 2h deploy of 4.2"), @r#"`start` does not know what to do with "deploy"; write `start 2h for deploy of 4.2`"#);
    insta::assert_snapshot!(error("start 2"), @"`2` has no unit; write `2h` for hours or `2m` for minutes; for example `start 2h`");
    insta::assert_snapshot!(error("start -1h"), @"`-1h` is not a duration; write for example `90m`, `2h` or `1d`; for example `start 2h`");
    insta::assert_snapshot!(error("start １h"), @"`１h` is not a duration; write for example `90m`, `2h` or `1d`; for example `start 2h`");
    insta::assert_snapshot!(error("start PT1H30M"), @"`pt1h30m` is not a duration; write for example `90m`, `2h` or `1d`; for example `start 2h`");
    insta::assert_snapshot!(error("start deploy --break-glass"), @r#"`start` does not know what to do with "deploy"; write `start --break-glass for deploy`"#);
    insta::assert_snapshot!(error("start 2h ip"), @"`ip` needs an address behind it, for example `start 2h ip 93.184.216.34`");
    insta::assert_snapshot!(error("start 2h 93.184.216.34"), @r#"`start` does not know what to do with "93.184.216.34"; write `start 2h ip 93.184.216.34`"#);
    insta::assert_snapshot!(error("start 2h from 93.184.216.34 for it"), @r#"`start` does not know what to do with "from"; write `start 2h ip 93.184.216.34 for it`"#);
    insta::assert_snapshot!(error("start for an hour deploy"), @r#"`start` does not know what to do with "deploy"; write `start 1h for deploy`"#);
    insta::assert_snapshot!(error("start deploy 2h"), @r#"`start` does not know what to do with "deploy"; write `start 2h for deploy`"#);
    insta::assert_snapshot!(error("start until noon"), @r#"`start` does not know what to do with "until"; write `start 2h for the deploy`"#);
    insta::assert_snapshot!(error("start 1h 30"), @"`30` has no unit; write `30h` for hours or `30m` for minutes; for example `start 2h`");
    insta::assert_snapshot!(error("extend 2"), @"`2` has no unit; write `2h` for hours or `2m` for minutes; for example `extend 2h`");
    insta::assert_snapshot!(error("extend 1a2b3c4d 2"), @"`2` has no unit; write `2h` for hours or `2m` for minutes; for example `extend 2h`");
    insta::assert_snapshot!(error("list mine"), @r#"`list` does not know what to do with "mine"; write `list`"#);
}

proptest! {
    #[test]
    fn what_is_suggested_is_taken_and_opens_no_more_than_was_said(
        words in proptest::collection::vec(proptest::sample::select(&VOCABULARY[..]), 0..7)
    ) {
        let line = format!("start {}", words.join(" "));
        if let Err(CommandError::Superfluous { example, .. }) = line.parse::<Command>() {
            let Ok(Command::Start { duration, addresses, .. }) = example.parse::<Command>() else { panic!("{line}: {example}") };
            let is_general = example == "start 2h for the deploy";
            let is_told = ["1h", "2h", "hour"].iter().any(|word| line.contains(word));
            prop_assert!(is_general || duration.is_none() || is_told, "{line}: {example}");
            prop_assert!(addresses.iter().all(|address| line.contains(&address.to_string())), "{line}: {example}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = text.parse::<Command>();
        let _ = format!("start {text}").parse::<Command>();
        let _ = format!("extend {text}").parse::<Command>();
    }
}
