//! What somebody closed at once: it stays closed until it is lifted.

use std::fmt;

use super::{Directory, MemberName, PanicId, ResourceName, Timestamp, is_guest};

/// What a rule shows that a panic took from a session which goes on.
pub const CLOSED_AT_ONCE: &str = "closed at once by an administrator";

/// What a rule shows that was taken because the member's roles changed.
pub const NOT_GIVEN: &str = "no role of the member gives this resource any more";

/// Why a rule was taken from a session that goes on, by what it showed since.
pub fn why_taken(shown: Option<&str>) -> &'static str {
    if shown.is_some_and(|shown| shown.starts_with(NOT_GIVEN)) { NOT_GIVEN } else { CLOSED_AT_ONCE }
}

/// What is closed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PanicScope {
    /// Everything.
    All,
    /// Every session of a member.
    Member(MemberName),
    /// One resource, for everybody.
    Resource(ResourceName),
}

/// A panic in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// Its id.
    pub id: PanicId,
    /// What is closed.
    pub scope: PanicScope,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
    /// Who closed it.
    pub by: String,
}

impl PanicScope {
    /// The scope's word and name, as they are stored.
    pub fn as_words(&self) -> (&'static str, &str) {
        match self {
            Self::All => ("ALL", ""),
            Self::Member(name) => ("MEMBER", name.as_str()),
            Self::Resource(name) => ("RESOURCE", name.as_str()),
        }
    }

    /// The scope of that word and name.
    pub fn parse(word: &str, name: &str) -> Option<Self> {
        match word {
            "ALL" => Some(Self::All),
            "MEMBER" => MemberName::new(name).ok().map(Self::Member),
            "RESOURCE" => ResourceName::new(name).ok().map(Self::Resource),
            _ => None,
        }
    }

    /// Whether there is such a thing. A name that is not configured is more likely a slip than a wish, and a slip here leaves something
    /// open.
    pub fn is_in(&self, directory: &Directory) -> bool {
        match self {
            Self::All => true,
            Self::Member(name) => directory.members.contains_key(name) || is_guest(name),
            Self::Resource(name) => directory.resources.contains_key(name),
        }
    }

    /// Whether a member may start no session at all.
    pub fn closes_member(&self, member: &MemberName) -> bool {
        match self {
            Self::All => true,
            Self::Member(closed) => closed == member,
            Self::Resource(_) => false,
        }
    }
}

impl fmt::Display for PanicScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Member(name) => write!(f, "member {name}"),
            Self::Resource(name) => write!(f, "resource {name}"),
        }
    }
}
