//! What people read, as they read it: one snapshot for each thing that is said.

use serde_json::json;

use super::message::{Markup, Message};
use super::*;
use crate::domain::{
    Addresses, Approval, BlockCause, EndReason, HostAddress, MemberName, Panic, PanicId, PanicScope, ResourceName, RuleStatus,
    SessionId, SessionStatus, Span, Timestamp,
};
use crate::engine::{Emergency, JoinCode, Token};
use crate::store::Turn;

const NOON: Timestamp = Timestamp::from_millis(1_767_268_800_000);

struct Plain;

impl Markup for Plain {
    fn time(&self, at: Timestamp) -> String {
        at.to_string()[11..16].to_owned()
    }
    fn text(&self, text: &str) -> String {
        text.to_owned()
    }
    fn bold(&self, text: &str) -> String {
        format!("**{text}**")
    }
    fn code(&self, text: &str) -> String {
        format!("`{text}`")
    }
}

/// A chat whose messages hold little.
struct Small;

impl Markup for Small {
    fn time(&self, at: Timestamp) -> String {
        Plain.time(at)
    }
    fn text(&self, text: &str) -> String {
        Plain.text(text)
    }
    fn bold(&self, text: &str) -> String {
        Plain.bold(text)
    }
    fn code(&self, text: &str) -> String {
        Plain.code(text)
    }
    fn holds(&self) -> usize {
        4_000
    }
}

fn read(message: &Message) -> String {
    let buttons: Vec<_> = message.buttons.iter().map(|button| format!("[{}]", button.label)).collect();
    let buttons = (!buttons.is_empty()).then(|| buttons.join(" "));
    message.lines.iter().cloned().chain(buttons).chain(message.notes.iter().cloned()).collect::<Vec<_>>().join("\n")
}

fn address(text: &str) -> HostAddress {
    HostAddress::parse(text).unwrap()
}

fn row(name: &str, status: RuleStatus, error: Option<&str>) -> CardRow {
    let resource = ResourceName::new(name).unwrap();
    let error = error.map(str::to_owned);
    CardRow { resource, address: address("93.184.216.34"), status, error, waits_for: None, foreign: false }
}

fn card(status: SessionStatus, rows: Vec<CardRow>) -> Card {
    let names: Vec<_> = rows.iter().map(|row| row.resource.clone()).collect();
    Card {
        session: SessionId::from_stored("0a1b2c3d-0000-4000-8000-000000000000"),
        member: MemberName::new("ana").unwrap(),
        status,
        addresses: Addresses::new(&[address("93.184.216.34")]).unwrap(),
        learnt_by: None,
        reason: Some("the deploy".to_owned()),
        approval: Approval::NotNeeded,
        approvers: Vec::new(),
        would_open: names.clone(),
        started_at: NOON,
        expires_at: NOON.plus(Span::from_hours(2)),
        extending_to: None,
        ended: None,
        closing_took: None,
        connections_go_on: Vec::new(),
        resources: names.len(),
        rows,
        can_stop: true,
        can_extend: true,
        extenders: Vec::new(),
        left: Span::from_minutes(10),
    }
}

fn partial() -> Card {
    let failed = row("database", RuleStatus::Failed, Some("the security group sg-0123 does not exist"));
    card(SessionStatus::Partial, vec![failed, row("bastion", RuleStatus::Applied, None)])
}

fn requested() -> Card {
    Card {
        status: SessionStatus::Requested,
        approval: Approval::Awaited { duration: Span::from_hours(1), resources: Vec::new() },
        approvers: vec![MemberName::new("bo").unwrap(), MemberName::new("cy").unwrap()],
        expires_at: NOON.plus(Span::from_minutes(30)),
        would_open: vec![ResourceName::new("bastion").unwrap()],
        resources: 1,
        can_extend: false,
        ..card(SessionStatus::Requested, Vec::new())
    }
}

fn stopped() -> Card {
    Card {
        ended: Some((EndReason::Manual, NOON.plus(Span::from_hours(1)), Some("cy".to_owned()))),
        closing_took: Some(Span::from_millis(1_234)),
        connections_go_on: vec![ResourceName::new("bastion").unwrap()],
        can_stop: false,
        can_extend: false,
        ..card(SessionStatus::Cancelled, vec![row("bastion", RuleStatus::Removed, None)])
    }
}

#[test]
fn a_thread_says_how_its_session_stands() {
    for (name, card) in [("partial", partial()), ("requested", requested()), ("stopped", stopped())] {
        let both = format!("{}\n---\n{}", read(&thread::parent(&card, &Plain)), read(&thread::table(&card, &Plain)));
        insta::assert_snapshot!(format!("thread_{name}"), both);
    }
}

#[test]
fn a_hundred_resources_are_folded_and_failures_come_first() {
    let fine = (0..97).map(|n| row(&format!("group-{n:02}"), RuleStatus::Applied, None));
    let failed = (0..3).map(|n| row(&format!("broken-{n}"), RuleStatus::Failed, Some("the security group does not exist")));
    let card = card(SessionStatus::Partial, failed.chain(fine).collect());
    let table = thread::table(&card, &Plain);
    assert!(table.lines[1].contains("broken-0"), "{:?}", table.lines);
    insta::assert_snapshot!("table_of_a_hundred", read(&table));
    // Whoever wants the details gets them, where a message holds them.
    assert_eq!(all_rows(&card, &Plain).len(), 98, "three that failed alike are one line");
    assert_eq!(all_rows(&card, &Small), rows(&card, &Plain));
}

#[test]
fn resources_that_refuse_alike_are_one_line_though_each_reason_names_another() {
    let waits = |cause, n: usize| CardRow {
        waits_for: Some(cause),
        ..row(&format!("group-{n:02}"), RuleStatus::Failed, Some(&format!("the quota is reached on security group sg-{n}")))
    };
    let full = (0..40).map(|n| waits(BlockCause::Quota, n));
    let denied = (40..42).map(|n| waits(BlockCause::Denied, n));
    let card = card(SessionStatus::Partial, full.chain(denied).chain([row("bastion", RuleStatus::Applied, None)]).collect());
    assert_eq!(all_rows(&card, &Plain), rows(&card, &Plain));
    insta::assert_snapshot!("alike", read(&thread::table(&card, &Plain)));
    let all_full = Card { rows: card.rows[..40].to_vec(), ..card.clone() };
    let said = |card: &Card| thread::parent(card, &Plain).lines.last().unwrap().clone();
    assert_eq!(said(&all_full), "40 of 40 rules failed: 40 resources are full; the thread says why.");
    assert_eq!(said(&card), "42 of 43 rules failed; the thread says why.");
}

#[test]
fn every_cause_is_said_of_one_and_of_many() {
    let said =
        |cause| format!("{}; {}; {} ({})", said_together(cause, 1), said_together(cause, 2), what_to_do(cause), in_a_word(cause));
    insta::assert_snapshot!("causes", BlockCause::ALL.map(said).join("\n"));
}

/// A hundred rules that failed, each with this error.
fn all_failed(error: impl Fn(usize) -> String) -> Card {
    let failed = |n| row(&format!("group-{n:03}"), RuleStatus::Failed, Some(&error(n)));
    card(SessionStatus::Failed, (0..100).map(failed).collect())
}

#[test]
fn a_hundred_failures_fit_and_none_is_lost_silently() {
    let characters = |lines: &[String]| lines.iter().map(|line| line.chars().count() + 1).sum::<usize>();
    let denied = "adding rules to the security group was denied; give its role ec2:AuthorizeSecurityGroupIngress. ".repeat(2);
    let alike = rows(&all_failed(|_| denied.clone()), &Small);
    assert!(alike.len() == 1 && alike[0].contains("100 resources: group-000, group-001, "), "{alike:?}");
    assert!(alike[0].contains(" and 80 more\n      adding rules to the security group was denied"), "{alike:?}");
    let different = rows(&all_failed(|n| format!("the group sg-{n:03} cannot be changed: {denied}")), &Small);
    let last = different.last().unwrap();
    assert!(characters(&different) <= 4_000 - 300, "{}", characters(&different));
    assert_eq!(*last, format!("… and {} more resources", 100 - (different.len() - 1)), "{different:#?}");
    assert!(different.len() > 20 && different[0].contains("group-000") && different[0].contains("sg-000"), "{different:#?}");
    // What is well comes last, and is counted as well.
    let fine = (0..50).map(|n| row(&format!("fine-{n:03}"), RuleStatus::Applied, None));
    let some = all_failed(|n| format!("the group sg-{n:03} does not exist")).rows.into_iter().chain(fine).collect();
    let some = rows(&card(SessionStatus::Partial, some), &Small);
    assert_eq!(*some.last().unwrap(), format!("… and {} more resources", 150 - (some.len() - 1)), "{some:#?}");
}

#[test]
fn approvers_and_administrators_get_the_facts() {
    let granted = Card { approval: Approval::Granted { by: "bo".to_owned() }, ..partial() };
    let denied = Card { ended: Some((EndReason::Denied, NOON, Some("bo".to_owned()))), ..requested() };
    let lapsed = Card { ended: Some((EndReason::Denied, NOON, None)), ..requested() };
    let all = [requested(), granted, denied, lapsed].map(|card| read(&request(&card, &Plain))).join("\n---\n");
    insta::assert_snapshot!("request", all);
    let broken = Card { approval: Approval::BreakGlass, ..partial() };
    insta::assert_snapshot!("alarm", read(&alarm(&broken, &Plain)));
}

#[test]
fn every_turn_has_its_line() {
    let until = json!({ "to": "2026-01-01T16:00:00Z", "expiresAt": "2026-01-01T14:00:00Z", "capped": true });
    let actions = [
        "session.extended",
        "session.shortened",
        "session.reminded",
        "session.stopped",
        "session.expired",
        "session.interrupted",
        "session.narrowed",
        "session.approved",
        "session.denied",
        "session.lapsed",
        "session.glass_broken",
        "session.closed",
        "session.started",
    ];
    let told = |action: &&str| {
        let turn = Turn { seq: 1, at: NOON, actor: "cy".to_owned(), action: (*action).to_owned(), details: until.clone() };
        let card = if *action == "session.closed" { stopped() } else { partial() };
        super::turn(&turn, &card, &Plain).map(|message| read(&message))
    };
    insta::assert_snapshot!("turns", actions.iter().filter_map(told).collect::<Vec<_>>().join("\n---\n"));
}

#[test]
fn a_reminder_goes_by_the_time_that_is_left_and_none_is_told_that_was_overtaken() {
    let ends = NOON.plus(Span::from_hours(2));
    let details = json!({ "expiresAt": ends.to_string() });
    let reminded = Turn { seq: 1, at: NOON, actor: "entryguard".to_owned(), action: "session.reminded".to_owned(), details };
    let told = |card: Card| super::turn(&reminded, &card, &Plain).map(|message| read(&message));
    let left = |seconds| Card { left: Span::from_seconds(seconds), ..partial() };
    let approved = Card { can_extend: false, extenders: vec![MemberName::new("bo").unwrap()], ..left(540) };
    let all: Vec<_> = [left(600), left(200), left(70), left(20), approved].into_iter().filter_map(told).collect();
    insta::assert_snapshot!("reminders", all.join("\n---\n"));
    let extended = Card { expires_at: ends.plus(Span::from_hours(2)), ..left(600) };
    let extending = Card { extending_to: Some(ends.plus(Span::from_hours(2))), ..left(600) };
    assert_eq!([left(0), stopped(), extended, extending].map(told), [None, None, None, None]);
}

#[test]
fn what_notifications_show_has_no_markup() {
    let details = json!({ "to": "2026-01-01T16:00:00Z", "expiresAt": "2026-01-01T14:00:00Z" });
    let turn =
        |action: &str| Turn { seq: 1, at: NOON, actor: "c*y".to_owned(), action: action.to_owned(), details: details.clone() };
    let turns =
        ["session.extended", "session.reminded"].map(|action| super::turn(&turn(action), &partial(), &Plain).unwrap().summary);
    let table = thread::table(&partial(), &Plain).summary;
    let refused = words(&Reply::Refused("Run `start 2h`.".to_owned()), "", NOON, &Plain);
    insta::assert_snapshot!([turns.join("\n"), table, refused.summary, refused.lines.concat()].join("\n"), @r"
    ↪ Extended by c*y to 2026-01-01 16:00 UTC.
    ⏰ Ends 2026-01-01 14:00 UTC, in about 10 minutes.
    Session 0a1b2c3d: 1 of 2 open
    Run /entryguard start 2h.
    Run `/entryguard start 2h`.
    ");
}

#[test]
fn a_thread_says_how_long_its_session_lasts_also_when_that_changes() {
    let extending = Card { extending_to: Some(NOON.plus(Span::from_hours(4))), ..partial() };
    let approved = Card {
        approval: Approval::Granted { by: "bo".to_owned() },
        can_extend: false,
        extenders: vec![MemberName::new("bo").unwrap(), MemberName::new("cy").unwrap()],
        ..partial()
    };
    let all = [extending, approved.clone()].map(|card| read(&thread::parent(&card, &Plain)));
    insta::assert_snapshot!("thread_times", [all.join("\n---\n"), read(&request(&approved, &Plain))].join("\n---\n"));
}

fn joining(instead_of: Option<&str>) -> Joining {
    Joining {
        code: JoinCode::typed("K7QX2MPD9R3V"),
        member: MemberName::new("ana").unwrap(),
        from: "slack:T0123456/U111".parse().unwrap(),
        identity: "discord:800/111".parse().unwrap(),
        instead_of: instead_of.map(|name| MemberName::new(name).unwrap()),
    }
}

fn emergency(scope: PanicScope, sessions: usize) -> Emergency {
    let earlier = Panic {
        id: PanicId::from_stored("1"),
        scope: PanicScope::parse("RESOURCE", "bastion").unwrap(),
        reason: Some("the audit".to_owned()),
        at: NOON,
        by: "root".to_owned(),
    };
    Emergency { scope, sessions, in_force: vec![earlier], asked_at: NOON }
}

#[test]
fn of_more_resources_than_a_message_holds_those_that_are_not_well_come_first() {
    let resource = |n: usize| ResourceHealth {
        name: ResourceName::new(format!("group-{n:03}")).unwrap(),
        kind: "security group".to_owned(),
        provider_id: "sg-0123456789abcdef0".to_owned(),
        health: if n == 90 { Health::Invalid { at: NOON, error: "access denied".to_owned() } } else { Health::Unverified },
    };
    let all: Vec<_> = (0..100).map(resource).collect();
    let first = |lines: Vec<String>| lines[0].split(' ').nth(1).unwrap().to_owned();
    assert_eq!(first(resource_lines(&all, &Plain)), "**group-000**");
    assert_eq!(first(resource_lines(&all, &Small)), "**group-090**");
    assert_eq!(resource_lines(&all, &Small).len(), 100);
}

#[test]
fn every_reply_reads_well() {
    let health = |name: &str, health| ResourceHealth {
        name: ResourceName::new(name).unwrap(),
        kind: "security group".to_owned(),
        provider_id: "sg-0123456789abcdef0".to_owned(),
        health,
    };
    let limit = crate::domain::Limit {
        longest: Span::from_hours(8),
        set_by: crate::domain::LimitSource::Role(crate::domain::RoleName::new("developers").unwrap()),
    };
    let replies = [
        Reply::Started(requested()),
        Reply::Started(card(SessionStatus::Pending, vec![row("bastion", RuleStatus::Pending, None)])),
        Reply::Answered { card: requested(), verdict: crate::engine::Verdict::Approve },
        Reply::Answered { card: requested(), verdict: crate::engine::Verdict::Deny },
        Reply::Stopping(vec![stopped()]),
        Reply::Extending { card: partial(), capped_by: Some(limit.clone()) },
        Reply::Sessions(Vec::new()),
        Reply::Sessions(vec![partial(), requested(), stopped()]),
        Reply::Session(partial()),
        Reply::Everybodys { cards: Vec::new(), more: false },
        Reply::Everybodys { cards: vec![partial(), requested()], more: true },
        Reply::Panicking(emergency(PanicScope::All, 12)),
        Reply::Panicked { scope: PanicScope::All, sessions: 12 },
        Reply::Panicking(emergency(PanicScope::parse("MEMBER", "ana").unwrap(), 1)),
        Reply::Panicked { scope: PanicScope::parse("RESOURCE", "bastion").unwrap(), sessions: 3 },
        Reply::Lifted(Lifted { panics: 0, in_force: Vec::new() }),
        Reply::Lifted(Lifted { panics: 2, in_force: Vec::new() }),
        Reply::Lifted(Lifted { panics: 1, in_force: emergency(PanicScope::All, 0).in_force }),
        Reply::Resources(vec![
            health("bastion", Health::Valid { at: NOON }),
            health("database", Health::Invalid { at: NOON, error: "access denied".to_owned() }),
            health("intranet", Health::Unverified),
        ]),
        Reply::Whoami {
            member: MemberName::new("ana").unwrap(),
            identity: "slack:T0123456/U111".parse().unwrap(),
            limit,
            admin: true,
            also: vec!["discord:800/111".parse().unwrap()],
        },
        Reply::JoinCode(IssuedCode { code: JoinCode::typed("K7QX2MPD9R3V"), expires_at: NOON, logins: true }),
        Reply::Joining(joining(Some("discord-111"))),
        Reply::Joined(joining(None)),
        Reply::Parted("discord:800/111".parse().unwrap()),
        Reply::SignIn(IssuedSignIn { token: Token::from_request("0a1b2c"), expires_at: NOON }),
        Reply::Refused("There is no session `ffff` of yours.".to_owned()),
    ];
    let all: Vec<_> = replies.iter().map(|reply| read(&words(reply, "https://guard.example.com", NOON, &Plain))).collect();
    insta::assert_snapshot!("replies", all.join("\n---\n"));
    // The names keep two buttons of one message apart.
    let help = Help { lines: Vec::new(), durations: vec![Span::from_hours(1), Span::from_hours(2)], default: None };
    let names: std::collections::BTreeSet<_> =
        words(&Reply::Help(help), "", NOON, &Plain).buttons.iter().map(|button| button.action.name()).collect();
    assert_eq!(names.len(), 3);
}
