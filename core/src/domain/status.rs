//! The statuses that people see, and the one place that derives a session's from its rules'.

use super::{Approval, EndReason};

/// What a session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// Waits for somebody to agree.
    Requested,
    /// Its rules are on their way.
    Pending,
    /// All of its rules are there.
    Active,
    /// Some of its rules are there, the others failed.
    Partial,
    /// None of its rules could be made.
    Failed,
    /// It is over, and its rules are going.
    Expiring,
    /// It ran out, and all is closed.
    Expired,
    /// Somebody stopped it, and all is closed.
    Cancelled,
    /// Nobody agreed to it.
    Denied,
}

impl SessionStatus {
    /// The status's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
            Self::Expiring => "EXPIRING",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
            Self::Denied => "DENIED",
        }
    }

    /// Whether the session has neither run out nor been stopped.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Requested | Self::Pending | Self::Active | Self::Partial | Self::Failed)
    }

    /// Whether some of its rules at least are there.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Active | Self::Partial)
    }

    /// Whether nothing can change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::Cancelled | Self::Denied)
    }
}

/// What a session rule shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleStatus {
    /// On its way.
    Pending,
    /// There, and seen to be there.
    Applied,
    /// Could not be made so far.
    Failed,
    /// On its way out.
    Removing,
    /// Gone, or left to the other sessions that want it.
    Removed,
}

impl RuleStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Applied, Self::Failed, Self::Removing, Self::Removed];

    /// The status's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Applied => "APPLIED",
            Self::Failed => "FAILED",
            Self::Removing => "REMOVING",
            Self::Removed => "REMOVED",
        }
    }

    /// Whether its session still wants it: what was taken from a session does not come back to it.
    pub const fn is_wanted(self) -> bool {
        !matches!(self, Self::Removing | Self::Removed)
    }

    /// The status of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A session's status: why it ended, if it did, and its rules' statuses. Nothing else knows how to say it.
pub fn session_status(approval: &Approval, ended: Option<EndReason>, rules: &[RuleStatus]) -> SessionStatus {
    let all = |status| rules.iter().all(|rule| *rule == status);
    let some = |status| rules.contains(&status);
    match ended {
        Some(EndReason::Denied) => SessionStatus::Denied,
        None if approval.is_awaited() => SessionStatus::Requested,
        Some(EndReason::Manual) if all(RuleStatus::Removed) => SessionStatus::Cancelled,
        Some(EndReason::Expired) if all(RuleStatus::Removed) => SessionStatus::Expired,
        Some(_) => SessionStatus::Expiring,
        None if some(RuleStatus::Pending) => SessionStatus::Pending,
        None if all(RuleStatus::Applied) => SessionStatus::Active,
        None if some(RuleStatus::Applied) => SessionStatus::Partial,
        None => SessionStatus::Failed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_rules() -> impl Strategy<Value = Vec<RuleStatus>> {
        prop::collection::vec(prop::sample::select(RuleStatus::ALL.to_vec()), 1..6)
    }

    #[test]
    fn a_session_is_active_when_all_of_its_rules_are_applied() {
        use RuleStatus::{Applied, Failed, Pending};
        assert_eq!(session_status(&Approval::NotNeeded, None, &[Applied, Applied]), SessionStatus::Active);
        assert_eq!(session_status(&Approval::NotNeeded, None, &[Applied, Failed]), SessionStatus::Partial);
        assert_eq!(session_status(&Approval::NotNeeded, None, &[Failed, Failed]), SessionStatus::Failed);
        assert_eq!(session_status(&Approval::NotNeeded, None, &[Applied, Pending]), SessionStatus::Pending);
    }

    #[test]
    fn a_session_that_awaits_approval_is_requested_and_never_active() {
        let awaited = Approval::Awaited { duration: crate::domain::Span::from_hours(2), resources: Vec::new() };
        assert_eq!(session_status(&awaited, None, &[]), SessionStatus::Requested);
        assert_eq!(session_status(&awaited, Some(EndReason::Denied), &[]), SessionStatus::Denied);
        assert_eq!(session_status(&awaited, Some(EndReason::Manual), &[]), SessionStatus::Cancelled);
    }

    proptest! {
        #[test]
        fn i1_a_session_that_ended_is_never_live_again(rules in any_rules()) {
            for reason in [EndReason::Manual, EndReason::Expired, EndReason::Denied] {
                prop_assert!(!session_status(&Approval::NotNeeded, Some(reason), &rules).is_live());
            }
        }

        #[test]
        fn a_session_is_over_only_when_every_rule_is_removed(rules in any_rules()) {
            let over = session_status(&Approval::NotNeeded, Some(EndReason::Manual), &rules).is_final();
            prop_assert_eq!(over, rules.iter().all(|rule| *rule == RuleStatus::Removed));
        }
    }
}
