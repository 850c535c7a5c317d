//! Times of the week, from the file's words: the hours of roles, and the sessions that start by themselves.

use std::collections::BTreeMap;

use super::ConfigError;
use super::directory::{by_name, missing, unknown};
use super::file::{self, RoleHours};
use crate::domain::foreign_text::one_line;
use crate::domain::{Addresses, Directory, HostAddress, Hours, MemberName, RoleName, Schedule, ScheduleName, Ticks, Timestamp};

/// Sessions of one schedule that may run at once: more is a slip in its cron expression.
const MOST_AT_ONCE: usize = 20;

pub(super) fn hours(hours: RoleHours, of: &str) -> Result<Hours, ConfigError> {
    let texts = match hours {
        RoleHours::One(text) => vec![text],
        RoleHours::Several(texts) => texts,
    };
    let windows = texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
    let windows = windows.map_err(|error| ConfigError::senseless(format!("{of}: hours: {error}")))?;
    Hours::new(windows).ok_or_else(|| missing(of, "hours", "\"Mon-Fri 08:00-18:00 Europe/Madrid\""))
}

pub(super) fn schedules(
    schedules: Vec<file::Schedule>,
    directory: &Directory,
) -> Result<BTreeMap<ScheduleName, Schedule>, ConfigError> {
    let all: Vec<_> = schedules.into_iter().map(|schedule| self::schedule(schedule, directory)).collect::<Result<_, _>>()?;
    by_name("schedule", all.into_iter(), |schedule| &schedule.name)
}

fn schedule(schedule: file::Schedule, directory: &Directory) -> Result<Schedule, ConfigError> {
    let file::Schedule { name, cron, timezone, member, role, addresses, duration, reason } = schedule;
    let of = format!("schedule {name}");
    let senseless = |why: String| ConfigError::senseless(format!("{of}: {why}"));
    if !directory.members.contains_key(&member) {
        return Err(unknown("member", member.as_str(), &of, directory.members.keys().map(MemberName::as_str)));
    }
    if let Some(name) = &role {
        let Some(role) = directory.roles.get(name) else {
            return Err(unknown("role", name.as_str(), &of, directory.roles.keys().map(RoleName::as_str)));
        };
        if !role.members.contains(&member) {
            return Err(senseless(format!(
                "role `{name}` has no member `{member}`; add the member to the role, or name another role"
            )));
        }
    }
    let addresses: Vec<_> = addresses
        .iter()
        .map(|text| HostAddress::parse(text))
        .collect::<Result<_, _>>()
        .map_err(|error| senseless(error.to_string()))?;
    if addresses.is_empty() {
        return Err(missing(&of, "addresses", "[\"203.0.113.7\"]"));
    }
    let addresses = Addresses::new(&addresses).map_err(|error| senseless(error.to_string()))?;
    let limit = directory.limit_of(&member);
    limit.admits(duration).map_err(|error| senseless(error.to_string()))?;
    let ticks = Ticks::new(&cron, timezone).map_err(|error| senseless(format!("cron: {error}")))?;
    if starts_too_often(&ticks, duration) {
        return Err(senseless(format!("cron: `{cron}` starts more than {MOST_AT_ONCE} sessions within one of {duration}")));
    }
    let reason = reason.map(|reason| one_line(&reason)).filter(|reason| !reason.is_empty());
    Ok(Schedule { name, ticks, member, role, addresses, duration, reason })
}

/// Whether more of its sessions would run at once than anybody can mean; some time is as good as any.
fn starts_too_often(ticks: &Ticks, duration: crate::domain::Span) -> bool {
    let Some(first) = ticks.next_after(Timestamp::from_millis(1_767_225_600_000)) else { return false };
    let mut last = first;
    for _ in 0..MOST_AT_ONCE {
        match ticks.next_after(last) {
            Some(next) => last = next,
            None => return false,
        }
    }
    last.since(first) < duration
}
