//! What many rules say together: forty full resources are one line, not forty.

use crate::domain::{BlockCause, RuleStatus};

use super::CardRow;

/// Rules that failed alike from which on they are one line.
pub const ALIKE: usize = 3;
/// Names in such a line.
const NAMED: usize = 20;

/// What makes failures alike: the cause, where the resource itself refuses, and otherwise the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness<'a> {
    /// The resources refuse for the same cause; each reason names another resource.
    Cause(BlockCause),
    /// The same reason, or none.
    Reason(Option<&'a str>),
}

impl<'a> Likeness<'a> {
    /// Of a rule that waits for such a resource, if it does, and shows such an error.
    pub fn of(waits_for: Option<BlockCause>, error: Option<&'a str>) -> Self {
        match waits_for {
            // These reasons may be of one rule alone.
            Some(BlockCause::Rejected | BlockCause::Local) | None => Self::Reason(error),
            Some(cause) => Self::Cause(cause),
        }
    }
}

impl CardRow {
    /// What it fails like.
    pub fn likeness(&self) -> (RuleStatus, Likeness<'_>) {
        (self.status, Likeness::of(self.waits_for, self.error.as_deref()))
    }
}

/// Puts together what is alike, in the order in which each kind comes first.
pub fn gathered<'a, T, K: PartialEq>(all: impl IntoIterator<Item = &'a T>, key: impl Fn(&'a T) -> K) -> Vec<Vec<&'a T>> {
    let mut groups: Vec<(K, Vec<&T>)> = Vec::new();
    for each in all {
        let own = key(each);
        match groups.iter_mut().find(|(key, _)| *key == own) {
            Some((_, group)) => group.push(each),
            None => groups.push((own, vec![each])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// `40 resources are full`.
pub fn said_together(cause: BlockCause, resources: usize) -> String {
    let (one, many) = match cause {
        BlockCause::Quota => ("is full", "are full"),
        BlockCause::Missing => ("does not exist", "do not exist"),
        BlockCause::Denied => ("refuses EntryGuard's credential", "refuse EntryGuard's credential"),
        BlockCause::NotInForce => ("was changed, but the change is not in force", "were changed, but the change is not in force"),
        BlockCause::Unreachable => ("cannot be reached", "cannot be reached"),
        BlockCause::Rejected => ("refuses the rule", "refuse the rules"),
        BlockCause::Local => ("cannot be changed from this server", "cannot be changed from this server"),
    };
    if resources == 1 { format!("1 resource {one}") } else { format!("{resources} resources {many}") }
}

/// `full`: where it is said above what that means.
pub const fn in_a_word(cause: BlockCause) -> &'static str {
    match cause {
        BlockCause::Quota => "full",
        BlockCause::Missing => "does not exist",
        BlockCause::Denied => "access denied",
        BlockCause::NotInForce => "not in force",
        BlockCause::Unreachable => "unreachable",
        BlockCause::Rejected => "refused",
        BlockCause::Local => "failed on the server",
    }
}

/// What to do about it, and what EntryGuard does.
pub const fn what_to_do(cause: BlockCause) -> &'static str {
    match cause {
        BlockCause::Quota => {
            "Remove rules that are not needed, or raise the provider's quota. EntryGuard adds what waits as room appears, the oldest first."
        }
        BlockCause::Missing => "Correct these resources in the configuration. EntryGuard tries again.",
        BlockCause::Denied => "Give the credential the rights that `entryguard iam-policy` prints. EntryGuard tries again.",
        BlockCause::NotInForce => "Repair what reads the lists (`after_change`). EntryGuard tries again.",
        BlockCause::Unreachable => "EntryGuard keeps trying.",
        BlockCause::Rejected | BlockCause::Local => "Each one's details say why. EntryGuard keeps trying.",
    }
}

/// `bastion, intranet, … and 7 more`.
pub fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
