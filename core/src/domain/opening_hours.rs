//! When a member may begin, and until when: every role that gives them something has to be open, as every one counts in terms.rs.

use super::{Directory, Hours, Limit, LimitSource, MemberName, OpenState, RoleName, Span, Timestamp};

/// How often roles that wait for each other are asked again: those that are never open together are found out by then.
const ROUNDS: usize = 1_000;

/// Why nothing may begin now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Until then.
    #[error("Your role {role} opens {when}, in {wait}. Its hours are {hours}.")]
    Until {
        /// The role that opens last.
        role: RoleName,
        /// As clocks show it there.
        when: String,
        /// From now on.
        wait: Span,
        /// The role's hours.
        hours: String,
    },
    /// There is no time at which all roles are open.
    #[error("The hours of your roles ({0}) never overlap, so nothing can be opened. Ask an administrator to change them.")]
    Never(String),
}

impl Directory {
    /// The longest session that a member may have who begins, or began, at `started_at`: as [`Directory::limit_of`] says, and no
    /// longer than the hours of their roles that it is now; or when these open.
    pub fn limit_at(&self, member: &MemberName, started_at: Timestamp, now: Timestamp) -> Result<Limit, Closed> {
        let limit = self.limit_of(member);
        Ok(match self.open_until(member, now)? {
            Some((until, role)) if until.since(started_at) < limit.longest => {
                Limit { longest: until.since(started_at), set_by: LimitSource::Hours(role.clone()) }
            }
            Some(_) | None => limit,
        })
    }

    /// When the first of a member's roles closes, if one does, and which; or when they open.
    pub fn open_until<'a>(&'a self, member: &'a MemberName, now: Timestamp) -> Result<Option<(Timestamp, &'a RoleName)>, Closed> {
        let mut first = None;
        for (role, hours) in self.hours_of(member) {
            match hours.state_at(now) {
                OpenState::Closed(_) => return Err(self.closed_until(member, now)),
                OpenState::Open(Some(until)) if first.is_none_or(|(first, _)| until < first) => first = Some((until, role)),
                OpenState::Open(_) => {}
            }
        }
        Ok(first)
    }

    /// When all of a member's hours are open that are not now. Each is asked in turn, from the latest answer on.
    fn closed_until(&self, member: &MemberName, now: Timestamp) -> Closed {
        let all: Vec<_> = self.hours_of(member).collect();
        let (mut opens, mut last) = (now, None);
        for _ in 0..ROUNDS {
            let later = all.iter().find_map(|(role, hours)| match hours.state_at(opens) {
                OpenState::Closed(until) if until > opens => Some((until, *role, *hours)),
                OpenState::Closed(_) | OpenState::Open(_) => None,
            });
            match (later, last) {
                (Some((until, role, hours)), _) => (opens, last) = (until, Some((role, hours))),
                (None, Some((role, hours))) => {
                    // To the minute, and never too short.
                    let wait = Span::from_minutes((opens.since(now).as_millis() + 59_999) / 60_000);
                    return Closed::Until { role: role.clone(), when: hours.in_words(opens), wait, hours: hours.to_string() };
                }
                (None, None) => break,
            }
        }
        Closed::Never(all.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>().join(", "))
    }

    /// The hours of the roles that give a member something.
    fn hours_of<'a>(&'a self, member: &'a MemberName) -> impl Iterator<Item = (&'a RoleName, &'a Hours)> {
        self.roles_of(member)
            .filter(|role| !role.resources.is_empty())
            .filter_map(|role| Some((&role.name, role.hours.as_ref()?)))
    }
}

#[cfg(test)]
#[path = "opening_hours_tests.rs"]
mod tests;
