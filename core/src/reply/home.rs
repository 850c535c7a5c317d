//! What one person sees of everything that is theirs, and the form for a new session.

use super::Card;
use crate::domain::{MemberName, ResourceName, Span, Timestamp};
use crate::engine::Remembered;

/// A member's sessions, resources and last address.
#[derive(Clone, Debug)]
pub struct Home {
    /// Whose it is.
    pub member: MemberName,
    /// Their sessions, the live ones first.
    pub sessions: Vec<Card>,
    /// Others' requests that wait for their answer.
    pub requests: Vec<Card>,
    /// What they may reach.
    pub resources: Vec<ResourceHealth>,
    /// What they confirmed last, while it may be used again.
    pub remembered: Option<Remembered>,
}

/// A resource, and how the last sweep found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceHealth {
    /// Its name.
    pub name: ResourceName,
    /// What it is, in words.
    pub kind: String,
    /// How its provider calls it.
    pub provider_id: String,
    /// Its health.
    pub health: Health,
}

/// How the last sweep found a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It could be read.
    Valid {
        /// When.
        at: Timestamp,
    },
    /// It could not.
    Invalid {
        /// When.
        at: Timestamp,
        /// Why not.
        error: String,
    },
    /// Nobody has looked yet.
    Unverified,
}

/// What the form for a new session offers.
#[derive(Clone, Debug)]
pub struct StartForm {
    /// The durations that the member may choose.
    pub durations: Vec<Span>,
    /// The one that is chosen at first.
    pub default: Span,
    /// What they confirmed last, while it may be used again.
    pub remembered: Option<Remembered>,
    /// Whether an address may be given by hand.
    pub explicit_ip: bool,
    /// Whose approval it takes.
    pub approvers: Vec<MemberName>,
    /// Whether that may be done without.
    pub break_glass: bool,
}
