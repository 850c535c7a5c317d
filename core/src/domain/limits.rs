//! How long a session may be, and what says so.

use std::fmt;

use super::{RoleName, Span, TierName, Timestamp};

/// The longest session that a member may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How long.
    pub longest: Span,
    /// What says so.
    pub set_by: LimitSource,
}

/// What set a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitSource {
    /// The organization's tier.
    Tier(TierName),
    /// One of the member's roles.
    Role(RoleName),
    /// The end of the hours of one of the member's roles.
    Hours(RoleName),
}

impl fmt::Display for LimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier(tier) => write!(f, "tier {tier}"),
            Self::Role(role) => write!(f, "role {role}"),
            Self::Hours(role) => write!(f, "the hours of role {role}"),
        }
    }
}

/// A duration above the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Duration exceeds maximum allowed: you asked for {asked}, and the maximum is {}, set by {}. Choose a shorter one.", limit.longest, limit.set_by)]
pub struct DurationRefused {
    /// What was asked for.
    pub asked: Span,
    /// What is allowed.
    pub limit: Limit,
}

impl Limit {
    /// Whether a session may start for so long.
    pub fn admits(&self, asked: Span) -> Result<(), DurationRefused> {
        if asked <= self.longest { Ok(()) } else { Err(DurationRefused { asked, limit: self.clone() }) }
    }
}

/// The end of a session that is extended by `by`: capped where the whole session would be longer than the limit,
/// and never earlier than before (a limit may have shrunk since).
pub fn extended_end(started_at: Timestamp, expires_at: Timestamp, by: Span, limit: &Limit) -> Timestamp {
    expires_at.plus(by).min(started_at.plus(limit.longest)).max(expires_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(hours: i64) -> Limit {
        Limit { longest: Span::from_hours(hours), set_by: LimitSource::Role(RoleName::new("developers").unwrap()) }
    }

    #[test]
    fn a_duration_above_the_limit_is_refused_with_the_limit_and_what_set_it() {
        let refused = limit(8).admits(Span::from_hours(24)).unwrap_err().to_string();
        insta::assert_snapshot!(refused, @"Duration exceeds maximum allowed: you asked for 24h, and the maximum is 8h, set by role developers. Choose a shorter one.");
        assert_eq!(limit(8).admits(Span::from_hours(8)), Ok(()));
    }

    #[test]
    fn extending_caps_at_the_limit_and_never_shortens() {
        let start = Timestamp::from_millis(0);
        let end = |hours| start.plus(Span::from_hours(hours));
        assert_eq!(extended_end(start, end(2), Span::from_hours(2), &limit(8)), end(4));
        assert_eq!(extended_end(start, end(7), Span::from_hours(2), &limit(8)), end(8));
        assert_eq!(extended_end(start, end(12), Span::from_hours(2), &limit(8)), end(12));
    }
}
