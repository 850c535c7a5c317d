//! The door to whatever has an allowlist, and the rules that everything behind it obeys.
//!
//! Flow: the reconciler calls [`Allowlist::remove`], [`Allowlist::add`] and [`Allowlist::mark_until`], each once for everything that is
//! due on the resource, and then believes only what [`Allowlist::observe`] shows.
//!
//! Guarantees that an implementation gives:
//! - every call may be repeated: adding what is there and removing what is gone is no error in the end;
//! - a rule that it makes bears its [`Mark`] from the first moment on, in one and the same object;
//! - it never changes or removes a rule without our mark, and removes by the provider's rule id, never by address.
//!
//! Assumptions it may make: one caller at a time for each resource (the lease sees to that).

mod error;
mod shared;
#[cfg(any(test, feature = "testing"))]
mod simulated;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;

use crate::domain::{
    ApiLimit, DeploymentId, HostAddress, MemberName, OpeningId, ProviderRuleId, ResourceName, RulePart, SessionId, Timestamp,
};

pub use error::{Next, ProviderError};
pub use shared::{Holder, Note, NoteName, SharedAllowlist, SharedRule};
#[cfg(any(test, feature = "testing"))]
pub use simulated::{Call, Change, Event, Fault, Hand, SimCloud, SimulatedAllowlist};
pub use verify::Verify;

/// One resource's allowlist.
#[async_trait]
pub trait Allowlist: Send + Sync {
    /// What a complete opening consists of: one rule for each part.
    fn parts(&self) -> &[RulePart];

    /// What may be called, and how often; nothing where nobody counts.
    fn limits(&self) -> Option<&CallLimits> {
        None
    }

    /// Everything on the allowlist: ours and foreign. A list that could not be read to its end is an error, never a short list.
    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError>;

    /// Adds rules in as few calls as can be. On [`ProviderError::Duplicate`] the caller observes, and asks for what is missing.
    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError>;

    /// Moves the expiry that rules of ours bear.
    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError>;

    /// Removes rules of ours. What is already gone is no error.
    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError>;

    /// Finds out whether the resource exists and may be changed, without changing it.
    async fn verify(&self) -> Result<Health, ProviderError>;
}

/// The limits of the APIs behind an allowlist's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// [`Allowlist::observe`].
    pub observe: ApiLimit,
    /// [`Allowlist::add`].
    pub add: ApiLimit,
    /// [`Allowlist::mark_until`].
    pub mark: ApiLimit,
    /// [`Allowlist::remove`].
    pub remove: ApiLimit,
    /// How many additions with the same expiry go into one call. Those with another expiry need another call.
    pub additions_a_call: u32,
}

impl CallLimits {
    /// How many calls add openings with these expiries. Tags hold them to the second.
    pub fn calls_to_add(&self, expiries: impl IntoIterator<Item = Timestamp>) -> usize {
        let mut together = BTreeMap::<_, usize>::new();
        for expiry in expiries {
            *together.entry(expiry.as_seconds()).or_default() += 1;
        }
        together.values().map(|openings| openings.div_ceil(self.additions_a_call.max(1) as usize)).sum()
    }
}

/// The allowlists of all configured resources.
pub type Allowlists = BTreeMap<ResourceName, Arc<dyn Allowlist>>;

/// A rule to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Which opening it is for.
    pub opening: OpeningId,
    /// Whom it lets in.
    pub address: HostAddress,
    /// Which parts are missing.
    pub parts: Vec<RulePart>,
    /// The expiry to write on it.
    pub until: Timestamp,
    /// Whose session asked for it first.
    pub member: MemberName,
    /// That session.
    pub session: SessionId,
}

/// Rules whose expiry has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Which opening they are of.
    pub opening: OpeningId,
    /// The rules.
    pub rules: Vec<ProviderRuleId>,
    /// The expiry to write on them.
    pub until: Timestamp,
}

/// Rules to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Which opening they are of. A provider whose rules are named by it needs no more.
    pub opening: OpeningId,
    /// The rules, by the provider's ids; none where none was ever seen.
    pub rules: Vec<ProviderRuleId>,
}

/// A rule as the provider shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRule {
    /// The provider's name of it.
    pub id: ProviderRuleId,
    /// Whom it lets in.
    pub source: IpNet,
    /// Which part of the resource it opens.
    pub part: RulePart,
    /// Our mark, if it bears one: this deployment's or another's.
    pub mark: Option<Mark>,
}

/// What every rule of ours bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The deployment that made it.
    pub owner: DeploymentId,
    /// The opening that it is of: more than one where a single call made the rules of several and could mark them only together.
    pub openings: Vec<OpeningId>,
    /// Until when it is wanted.
    pub expires_at: Option<Timestamp>,
}

/// What [`Allowlist::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// One line for people: the group's name, the number of rules.
    pub summary: String,
    /// What will go wrong later if nobody acts.
    pub warnings: Vec<String>,
}

impl SeenRule {
    /// Whether it lets in `address` and nobody else.
    pub fn is_for(&self, address: HostAddress) -> bool {
        self.source == IpNet::from(address.ip())
    }

    /// Whether `owner` made it for `opening`.
    pub fn is_of(&self, owner: &DeploymentId, opening: &OpeningId) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.owner == *owner && mark.openings.contains(opening))
    }

    /// Whether `owner` made it.
    pub fn is_owned_by(&self, owner: &DeploymentId) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.owner == *owner)
    }
}
