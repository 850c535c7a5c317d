//! Several roles with hours: all of them have to be open.

use super::*;
use crate::domain::{Role, testing};

fn role(name: &str, hours: &str) -> Role {
    let hours = Hours::new(hours.split(" + ").map(|window| window.parse().unwrap()).collect());
    Role { name: RoleName::new(name).unwrap(), hours, ..testing::role_of("ana", "bastion") }
}

fn asked(roles: Vec<Role>, now: &str) -> String {
    let directory = testing::directory(roles);
    let now = Timestamp::parse(now).unwrap();
    match directory.limit_at(&MemberName::new("ana").unwrap(), now, now) {
        Ok(limit) => format!("{limit:?}"),
        Err(closed) => closed.to_string(),
    }
}

#[test]
fn a_start_outside_is_refused_and_says_when_it_opens() {
    let roles = || vec![role("developers", "Mon-Fri 08:00-18:00 Europe/Madrid")];
    insta::assert_snapshot!(asked(roles(), "2026-07-05T16:00:30Z"), @"Your role developers opens Monday 08:00 (Europe/Madrid), in 14h. Its hours are Mon,Tue,Wed,Thu,Fri 08:00-18:00 Europe/Madrid.");
    insta::assert_snapshot!(asked(roles(), "2026-07-06T15:30:00Z"), @r#"Limit { longest: Span(1800000), set_by: Hours(RoleName("developers")) }"#);
    insta::assert_snapshot!(asked(roles(), "2026-07-06T06:00:00Z"), @r#"Limit { longest: Span(7200000), set_by: Tier(TierName("team")) }"#);
}

#[test]
fn every_role_that_gives_something_has_to_be_open() {
    let day = || role("day", "08:00-18:00 UTC");
    let late = || role("late", "Tue 17:00-23:00 UTC");
    insta::assert_snapshot!(asked(vec![day(), late()], "2026-07-06T09:00:00Z"), @"Your role late opens Tuesday 17:00 (UTC), in 32h. Its hours are Tue 17:00-23:00 UTC.");
    insta::assert_snapshot!(asked(vec![day(), late()], "2026-07-07T17:30:00Z"), @r#"Limit { longest: Span(1800000), set_by: Hours(RoleName("day")) }"#);
    insta::assert_snapshot!(asked(vec![day(), role("night", "19:00-07:00 UTC")], "2026-07-06T09:00:00Z"), @"The hours of your roles (day, night) never overlap, so nothing can be opened. Ask an administrator to change them.");
    let gives_nothing = Role { resources: Vec::new(), ..role("night", "19:00-07:00 UTC") };
    assert!(asked(vec![day(), gives_nothing], "2026-07-06T09:00:00Z").contains("Tier"));
}

#[test]
fn a_session_that_goes_on_is_limited_by_the_end_of_the_hours_whenever_it_began() {
    let directory = testing::directory(vec![role("developers", "08:00-18:00 UTC")]);
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let limit =
        directory.limit_at(&MemberName::new("ana").unwrap(), at("2026-07-06T17:00:00Z"), at("2026-07-06T17:30:00Z")).unwrap();
    assert_eq!(limit.longest, Span::from_hours(1));
}
