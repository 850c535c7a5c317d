//! What happened in the simulated cloud, in order: for a test to judge by.

use std::fmt;

use super::Fault;
use crate::domain::{ResourceName, Timestamp};
use crate::provider::SeenRule;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// We called.
    Call(Call),
    /// A rule changed, by our call or without one.
    Change(Box<Change>),
}

/// A call of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which it is of all calls, counted from 0.
    pub number: usize,
    /// When.
    pub at: Timestamp,
    /// On which resource.
    pub resource: ResourceName,
    /// What was asked for: `observe`, `add`, `mark_until` or `remove`.
    pub name: &'static str,
    /// What went wrong on order.
    pub fault: Option<Fault>,
}

/// A rule that came, went or became another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// On which resource.
    pub resource: ResourceName,
    /// By whom.
    pub by: Hand,
    /// The rule before; nothing where it is new.
    pub before: Option<SeenRule>,
    /// The rule after; nothing where it is gone.
    pub after: Option<SeenRule>,
}

/// Who changed a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// A call of ours, as it came.
    Ours,
    /// A call of ours, long after it was answered with an error.
    OursLate,
    /// Somebody who is not us.
    Somebody,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(Call { number, at, resource, name, fault }) => {
                write!(f, "{} {resource}: call {number}, {name}", at.as_millis())?;
                fault.map_or(Ok(()), |fault| write!(f, ", {fault:?}"))
            }
            Self::Change(change) => {
                let Change { at, resource, by, before, after } = change.as_ref();
                write!(f, "{} {resource}:   {by:?}: {} -> {}", at.as_millis(), Shown(before.as_ref()), Shown(after.as_ref()))
            }
        }
    }
}

struct Shown<'a>(Option<&'a SeenRule>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rule) = self.0 else { return f.write_str("nothing") };
        write!(f, "{} {} {}", rule.id, rule.source, rule.part)?;
        let Some(mark) = &rule.mark else { return f.write_str(" unmarked") };
        write!(f, " until {} for", mark.expires_at.map_or(0, Timestamp::as_millis))?;
        mark.openings.iter().try_for_each(|opening| write!(f, " {opening}"))
    }
}
