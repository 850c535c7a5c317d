//! A session, and its wishes: the session rules.

use super::{
    Addresses, BlockCause, HeldRule, HostAddress, LearntBy, MemberName, OpeningId, ResourceName, RuleOwner, RuleStatus,
    SessionId, SessionRuleId, Span, Surface, Timestamp,
};

/// A member's time-bound access from one IPv4 and/or one IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub member: MemberName,
    /// Where it was asked for.
    pub surface: Surface,
    /// Why, in the member's words.
    pub reason: Option<String>,
    /// From where.
    pub addresses: Addresses,
    /// How they were learnt; none where that was not kept.
    pub learnt_by: Option<LearntBy>,
    /// Whether somebody else had to agree, and did.
    pub approval: Approval,
    /// Since when: it was asked for, or agreed to.
    pub started_at: Timestamp,
    /// Until when; while it awaits approval, until when somebody may answer.
    pub expires_at: Timestamp,
    /// How it ended, once it has.
    pub ending: Option<Ending>,
    /// When the last of its rules was seen to be gone.
    pub closed_at: Option<Timestamp>,
}

/// How long before its end a member is told.
const REMINDER: Span = Span::from_minutes(10);
/// Whoever asked for less than this needs no reminder.
const SHORTEST_REMINDED: Span = Span::from_minutes(20);

impl Session {
    /// When to tell the member that it ends soon, if that is worth telling.
    pub fn remind_at(&self) -> Option<Timestamp> {
        let worth_it = !self.approval.is_awaited() && self.expires_at.since(self.started_at) >= SHORTEST_REMINDED;
        worth_it.then(|| self.expires_at.minus(REMINDER))
    }
}

/// Whether a session needs somebody's approval, and has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// No role asks for one.
    NotNeeded,
    /// Nobody has answered yet: nothing may be opened.
    Awaited {
        /// How long the session is to be once somebody agrees.
        duration: Span,
        /// What it is to open, by name; nothing where that was not kept.
        resources: Vec<ResourceName>,
    },
    /// Somebody agreed.
    Granted {
        /// Who.
        by: String,
    },
    /// The member did without, in an emergency.
    BreakGlass,
}

impl Approval {
    /// Whether nobody has answered yet.
    pub const fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited { .. })
    }

    /// The state's word, as it is stored.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotNeeded => "NOT_NEEDED",
            Self::Awaited { .. } => "AWAITED",
            Self::Granted { .. } => "GRANTED",
            Self::BreakGlass => "BREAK_GLASS",
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub reason: EndReason,
    /// When it stopped being wanted.
    pub at: Timestamp,
    /// Who stopped it: a member's name, or nobody where time ran out.
    pub by: Option<String>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Somebody stopped it.
    Manual,
    /// Its time ran out.
    Expired,
    /// Somebody refused it, or nobody answered in time.
    Denied,
}

impl EndReason {
    /// The reason's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Expired => "EXPIRED",
            Self::Denied => "DENIED",
        }
    }

    /// The reason of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Manual, Self::Expired, Self::Denied].into_iter().find(|reason| reason.as_str() == text)
    }
}

/// One session × one resource × one address: what the session wants, and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRule {
    /// Its id.
    pub id: SessionRuleId,
    /// Whose wish it is.
    pub session: SessionId,
    /// For which resource.
    pub resource: ResourceName,
    /// For which address.
    pub address: HostAddress,
    /// The opening that grants it.
    pub opening: OpeningId,
    /// What it shows.
    pub status: RuleStatus,
    /// When it was first seen to be there.
    pub applied_at: Option<Timestamp>,
    /// When it was seen to be gone.
    pub removed_at: Option<Timestamp>,
    /// What went wrong the last time, while it has not come good.
    pub error: Option<String>,
    /// Why its resource refuses additions, while its opening waits for that.
    pub waits_for: Option<BlockCause>,
    /// The provider's rules that its opening is made of.
    pub held: Vec<HeldRule>,
}

impl SessionRule {
    /// Whether somebody else's rule lets the address in anyway: used as it is, and never removed.
    pub fn is_foreign(&self) -> bool {
        !self.held.is_empty() && self.held.iter().all(|rule| rule.owner == RuleOwner::Foreign)
    }
}

/// What can happen to a session rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleEvent {
    /// Its opening was seen to be there, for long enough.
    Applied,
    /// Its opening could not be made.
    Failed,
    /// Its opening vanished, and is added again.
    Lost,
    /// What kept its opening from being made is over, and it is tried again.
    TriedAgain,
    /// Its session is over, and nobody else wants the opening.
    RemovalBegan,
    /// Its opening was seen to be gone, or was left to others.
    Removed,
}

impl RuleStatus {
    /// What a session rule shows after `event`; where the event says nothing new, what it showed before.
    #[must_use]
    pub const fn after(self, event: RuleEvent) -> Self {
        match (self, event) {
            (Self::Removed, _) | (_, RuleEvent::Removed) => Self::Removed,
            (Self::Removing, _) | (_, RuleEvent::RemovalBegan) => Self::Removing,
            (Self::Pending | Self::Failed | Self::Applied, RuleEvent::Applied) => Self::Applied,
            (Self::Pending | Self::Failed | Self::Applied, RuleEvent::Failed) => Self::Failed,
            (Self::Pending | Self::Applied, RuleEvent::Lost) | (Self::Pending | Self::Failed, RuleEvent::TriedAgain) => {
                Self::Pending
            }
            (Self::Failed, RuleEvent::Lost) => Self::Failed,
            (Self::Applied, RuleEvent::TriedAgain) => Self::Applied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [RuleEvent; 6] = [
        RuleEvent::Applied,
        RuleEvent::Failed,
        RuleEvent::Lost,
        RuleEvent::TriedAgain,
        RuleEvent::RemovalBegan,
        RuleEvent::Removed,
    ];

    #[test]
    fn i1_a_rule_on_its_way_out_never_comes_back() {
        for event in EVENTS {
            assert!(matches!(RuleStatus::Removing.after(event), RuleStatus::Removing | RuleStatus::Removed));
            assert_eq!(RuleStatus::Removed.after(event), RuleStatus::Removed);
        }
    }
}
