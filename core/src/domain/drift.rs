//! What is not as it should be, and what people should be told of once: what a sweep finds, and what goes wrong.

use super::{ResourceName, Timestamp};

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftKind {
    /// A rule with our mark that nobody wants: removed.
    Orphan,
    /// A rule of ours that was changed to let in others: replaced by one as it was.
    Widened,
    /// A rule that is wanted and is gone: added again.
    Missing,
    /// A rule of ours whose mark somebody took away: removed with its session all the same.
    Unmarked,
    /// A rule that bore another end than the wanted one: marked again.
    Mismarked,
    /// A rule that was gone and is there again: removed again.
    Returned,
    /// More rules than one sweep removes without being asked twice: the next one removes them.
    HeldBack,
    /// A resource could not be read to its end, so nothing was changed.
    Unread,
    /// A resource that could not be read can be read again.
    ReadAgain,
    /// A row of the database cannot be read: it is set aside.
    Quarantined,
    /// Not all of a session's rules could be made.
    Partial,
    /// None of a session's rules could be made.
    Failed,
    /// A rule that was told to go is still there, after many tries. They go on.
    Stuck,
    /// A schedule's session could not be started.
    Unscheduled,
    /// A webhook's receiver did not take an event for days, or wants no more.
    Undelivered,
}

impl DriftKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Orphan,
        Self::Widened,
        Self::Missing,
        Self::Unmarked,
        Self::Mismarked,
        Self::Returned,
        Self::HeldBack,
        Self::Unread,
        Self::ReadAgain,
        Self::Quarantined,
        Self::Partial,
        Self::Failed,
        Self::Stuck,
        Self::Unscheduled,
        Self::Undelivered,
    ];

    /// The kind's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "orphan",
            Self::Widened => "widened",
            Self::Missing => "missing",
            Self::Unmarked => "unmarked",
            Self::Mismarked => "mismarked",
            Self::Returned => "returned",
            Self::HeldBack => "held_back",
            Self::Unread => "unread",
            Self::ReadAgain => "read_again",
            Self::Quarantined => "quarantined",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Unscheduled => "unscheduled",
            Self::Undelivered => "undelivered",
        }
    }

    /// The kind of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// When it was found.
    pub at: Timestamp,
    /// What kind.
    pub kind: DriftKind,
    /// On which resource, where it is one resource's.
    pub resource: Option<ResourceName>,
    /// In words for people: the address, the rule, the error.
    pub what: String,
}
