//! What can go wrong with a provider, and whether it is worth another try.

use crate::domain::{BlockCause, Refusal};

/// Why a provider did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No answer, or none that made sense; it may have been done all the same.
    #[error("{provider} did not answer ({reason}); EntryGuard keeps trying")]
    Unreachable {
        /// Who.
        provider: &'static str,
        /// What happened.
        reason: String,
    },
    /// Too many calls.
    #[error("{provider} is throttling its API ({code}); EntryGuard keeps trying")]
    Throttled {
        /// Who.
        provider: &'static str,
        /// The provider's word for it.
        code: String,
    },
    /// A rule of the same shape is there already, perhaps our own: observe, then ask for what is missing.
    #[error("a rule of the same shape is there already")]
    Duplicate,
    /// The list changed, but what reads it has not taken the change.
    #[error("{what} was changed, but the change is not in force: {reason}")]
    NotInForce {
        /// The list.
        what: String,
        /// What the reader said.
        reason: String,
    },
    /// The resource is not there.
    #[error("{what} does not exist; correct the resource in the configuration")]
    Missing {
        /// The resource, in the provider's words.
        what: String,
    },
    /// The credential may not do it.
    #[error("{what} was denied ({code}); give the credential the rights that `entryguard iam-policy` prints")]
    Denied {
        /// What was asked for.
        what: String,
        /// The provider's word for it.
        code: String,
    },
    /// The provider's limit on the list is reached.
    #[error("{quota} is reached on {what}; remove rules that nobody needs, or ask the provider for more")]
    QuotaReached {
        /// The quota's name.
        quota: &'static str,
        /// On what.
        what: String,
    },
    /// Refused for another reason.
    #[error("{what} was refused: {reason}")]
    Rejected {
        /// What was asked for.
        what: String,
        /// The provider's words.
        reason: String,
    },
    /// Our own side cannot do it: a file cannot be written, a credential cannot be had.
    #[error("{what}: {reason}")]
    Local {
        /// What was tried.
        what: String,
        /// What happened.
        reason: String,
    },
}

/// What to make of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It may well pass: try again soon.
    Retry,
    /// Somebody has to act first: say so at once, and look again from time to time.
    GiveUp,
}

impl ProviderError {
    /// What to make of it.
    pub const fn next(&self) -> Next {
        match self {
            Self::Unreachable { .. } | Self::Throttled { .. } | Self::Duplicate => Next::Retry,
            Self::NotInForce { .. }
            | Self::Missing { .. }
            | Self::Denied { .. }
            | Self::QuotaReached { .. }
            | Self::Rejected { .. }
            | Self::Local { .. } => Next::GiveUp,
        }
    }

    /// The error's kind, in a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Throttled { .. } => "throttled",
            Self::Duplicate => "duplicate",
            Self::NotInForce { .. } => "not_in_force",
            Self::Missing { .. } => "missing",
            Self::Denied { .. } => "denied",
            Self::QuotaReached { .. } => "quota",
            Self::Rejected { .. } => "rejected",
            Self::Local { .. } => "local",
        }
    }

    /// What it says of the resource, where others would be refused alike: then the resource remembers it, and one of those that wait
    /// tries again for all. A call that was throttled says nothing of the resource: the API's limit is counted elsewhere.
    pub fn refusal(&self) -> Option<Refusal> {
        let cause = match self {
            Self::QuotaReached { .. } => BlockCause::Quota,
            Self::Missing { .. } => BlockCause::Missing,
            Self::Denied { .. } => BlockCause::Denied,
            Self::NotInForce { .. } => BlockCause::NotInForce,
            Self::Unreachable { .. } => BlockCause::Unreachable,
            Self::Rejected { .. } => BlockCause::Rejected,
            Self::Local { .. } => BlockCause::Local,
            Self::Throttled { .. } | Self::Duplicate => return None,
        };
        Some(Refusal { cause, reason: self.to_string() })
    }

    /// Whether what the list shows proves nothing, because its reader may still go by the old one.
    pub const fn outlives_observation(&self) -> bool {
        matches!(self, Self::NotInForce { .. })
    }
}
