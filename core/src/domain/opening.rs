//! An opening: one instance of the one real rule in the cloud for a resource and an address.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{HostAddress, OpeningId, ProviderRuleId, ResourceName, Timestamp};

/// One instance of the real rule for (resource, address), shared by every session rule that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its id, which the rule in the cloud bears.
    pub id: OpeningId,
    /// On what.
    pub resource: ResourceName,
    /// For whom.
    pub address: HostAddress,
    /// How far it is.
    pub state: OpeningState,
    /// The provider's rules that it is made of, as last seen: one for each part of the resource.
    pub rules: Vec<HeldRule>,
    /// The expiry that the rules bear in the cloud.
    pub marked_until: Option<Timestamp>,
    /// Since when its rules have not been seen any more: after they were told to go, or, while it is present, since a read did not
    /// show all of them.
    pub unseen_since: Option<Timestamp>,
    /// How often it has been tried since it last came good.
    pub attempts: u32,
    /// What went wrong the last time.
    pub error: Option<String>,
}

/// A provider's rule that an opening is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRule {
    /// The provider's name of it.
    pub id: ProviderRuleId,
    /// Which part of the resource it opens.
    pub part: RulePart,
    /// Who made it.
    pub owner: RuleOwner,
}

/// Who made a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOwner {
    /// We did, and we remove it.
    Ours,
    /// Somebody else did: used as it is, and never removed.
    Foreign,
}

/// What a rule opens of its resource, in the provider's words: `tcp 22`. Empty where a resource has no parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulePart(pub String);

impl fmt::Display for RulePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far an opening is. It moves one way only: a wish that comes during removal makes a new opening. What vanished while it was
/// wanted was never told to go, so it is added again as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningState {
    /// Wanted, and perhaps already there.
    Adding,
    /// Seen to be there.
    Present,
    /// No longer wanted, and perhaps still there.
    Removing,
    /// Seen to be gone.
    Gone,
}

/// What can happen to an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningEvent {
    /// All of its rules were seen.
    SeenPresent,
    /// Nobody wants it any more.
    Unwanted,
    /// It is wanted, and not all of its rules are there any more.
    Vanished,
    /// None of its rules was seen, after they were told to go.
    SeenGone,
}

/// A move that an opening cannot make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an opening that is {from:?} cannot be {event:?}")]
pub struct IllegalTransition {
    from: OpeningState,
    event: OpeningEvent,
}

impl OpeningState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Adding, Self::Present, Self::Removing, Self::Gone];

    /// The state's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adding => "ADDING",
            Self::Present => "PRESENT",
            Self::Removing => "REMOVING",
            Self::Gone => "GONE",
        }
    }

    /// The state of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Where the opening stands after `event`.
    pub const fn after(self, event: OpeningEvent) -> Result<Self, IllegalTransition> {
        match (self, event) {
            (Self::Adding | Self::Present, OpeningEvent::SeenPresent) => Ok(Self::Present),
            (Self::Adding | Self::Present | Self::Removing, OpeningEvent::Unwanted) => Ok(Self::Removing),
            (Self::Adding | Self::Present, OpeningEvent::Vanished) => Ok(Self::Adding),
            (Self::Removing | Self::Gone, OpeningEvent::SeenGone) => Ok(Self::Gone),
            (from @ (Self::Removing | Self::Gone), OpeningEvent::SeenPresent | OpeningEvent::Vanished)
            | (from @ Self::Gone, OpeningEvent::Unwanted)
            | (from @ (Self::Adding | Self::Present), OpeningEvent::SeenGone) => Err(IllegalTransition { from, event }),
        }
    }
}

impl Opening {
    /// A new instance, wanted and not there yet.
    pub const fn wanted(id: OpeningId, resource: ResourceName, address: HostAddress) -> Self {
        Self {
            id,
            resource,
            address,
            state: OpeningState::Adding,
            rules: Vec::new(),
            marked_until: None,
            unseen_since: None,
            attempts: 0,
            error: None,
        }
    }

    /// The rules that we made, and so have to remove.
    pub fn our_rules(&self) -> impl Iterator<Item = &HeldRule> {
        self.rules.iter().filter(|rule| rule.owner == RuleOwner::Ours)
    }

    /// Whether any rule of it was ever seen.
    pub const fn was_seen(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether the provider may have been asked for it: each try is written down before the call.
    pub const fn was_tried(&self) -> bool {
        self.attempts > 0 || self.was_seen()
    }

    /// Whether a removal is due: not one whose rules have gone from sight, which are only looked for again.
    pub const fn is_closing(&self) -> bool {
        matches!(self.state, OpeningState::Removing) && self.unseen_since.is_none()
    }

    /// Whether all of it was there before us.
    pub fn is_foreign(&self) -> bool {
        !self.rules.is_empty() && self.our_rules().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_moves_one_way_only() {
        let rank = |state| OpeningState::ALL.iter().position(|s| *s == state).unwrap();
        for from in OpeningState::ALL {
            for event in [OpeningEvent::SeenPresent, OpeningEvent::Unwanted, OpeningEvent::SeenGone] {
                if let Ok(to) = from.after(event) {
                    assert!(rank(to) >= rank(from), "{from:?} -> {to:?}");
                }
            }
        }
    }

    #[test]
    fn only_what_was_never_told_to_go_is_added_again() {
        let after = |state: OpeningState| state.after(OpeningEvent::Vanished).ok();
        assert_eq!(OpeningState::ALL.map(after), [Some(OpeningState::Adding), Some(OpeningState::Adding), None, None]);
    }
}
