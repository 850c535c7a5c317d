//! Allowlists whose rules say who holds them: for jobs that share a list and have no server between them.

use async_trait::async_trait;

use super::{Addition, Allowlist, ProviderError, SeenRule};
use crate::domain::{ProviderRuleId, SessionId, Timestamp};

/// An allowlist on whose rules jobs can leave notes for each other.
#[async_trait]
pub trait SharedAllowlist: Allowlist {
    /// Everything on the list, with the notes.
    async fn observe_shared(&self) -> Result<Vec<SharedRule>, ProviderError>;

    /// Adds rules which their session holds from the first moment on. All additions are of one session, and end at one time.
    async fn add_held(&self, additions: &[Addition]) -> Result<(), ProviderError>;

    /// Writes notes on rules, all of a rule's at once. Rules that are gone are passed over.
    async fn write(&self, rules: &[ProviderRuleId], notes: &[Note]) -> Result<(), ProviderError>;

    /// Takes notes away. Notes and rules that are gone are passed over.
    async fn erase(&self, rules: &[ProviderRuleId], notes: &[NoteName]) -> Result<(), ProviderError>;
}

/// A rule, and the notes on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRule {
    /// The rule.
    pub rule: SeenRule,
    /// Who holds it.
    pub holders: Vec<Holder>,
    /// Who is about to remove it.
    pub closing: Vec<SessionId>,
}

/// A session's hold on a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// Until when it holds the rule.
    pub until: Timestamp,
}

/// What is written on a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A session holds it.
    Holder(Holder),
    /// A session is about to remove it.
    Closing(SessionId),
    /// The rule's expiry, which every sweep goes by.
    Until(Timestamp),
}

/// Which note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteName {
    /// That this session holds the rule.
    Holder(SessionId),
    /// That this session is about to remove it.
    Closing(SessionId),
}

impl SharedRule {
    /// Whether this session holds it.
    pub fn is_held_by(&self, session: &SessionId) -> bool {
        self.holders.iter().any(|holder| holder.session == *session)
    }

    /// Until when somebody other than this session holds it, if anybody does at this time.
    pub fn held_by_others_until(&self, session: &SessionId, now: Timestamp) -> Option<Timestamp> {
        let others = self.holders.iter().filter(|holder| holder.session != *session && holder.until > now);
        others.map(|holder| holder.until).max()
    }
}
