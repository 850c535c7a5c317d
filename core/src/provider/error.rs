//! What can go wrong with a provider, and whether it is worth another try.

use crate::domain::foreign_text::one_line;
use crate::domain::{BlockCause, Refusal};

/// No provider's word is longer where people read it.
const LONGEST: usize = 600;

/// A provider's own words, as terminals, pages and chats may show them: an error is shown and recorded by its text alone.
fn shown(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Why a provider did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No answer, or none that made sense; it may have been done all the same.
    #[error("{provider} did not answer ({}); EntryGuard keeps trying", shown(.reason))]
    Unreachable {
        /// Who.
        provider: &'static str,
        /// What happened.
        reason: String,
    },
    /// Too many calls.
    #[error("{provider} is throttling its API ({}); EntryGuard keeps trying", shown(.code))]
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
    #[error("{} was changed, but the change is not in force: {}", shown(.what), shown(.reason))]
    NotInForce {
        /// The list.
        what: String,
        /// What the reader said.
        reason: String,
    },
    /// The resource is not there.
    #[error("{} does not exist; correct the resource in the configuration", shown(.what))]
    Missing {
        /// The resource, in the provider's words.
        what: String,
    },
    /// The credential may not do it.
    #[error("{} was denied ({}); give the credential the rights that `entryguard iam-policy` prints", shown(.what), shown(.code))]
    Denied {
        /// What was asked for.
        what: String,
        /// The provider's word for it.
        code: String,
    },
    /// The provider's limit on the list is reached.
    #[error("{quota} is reached on {}; remove rules that nobody needs, or ask the provider for more", shown(.what))]
    QuotaReached {
        /// The quota's name.
        quota: &'static str,
        /// On what.
        what: String,
    },
    /// Refused for another reason.
    #[error("{} was refused: {}", shown(.what), shown(.reason))]
    Rejected {
        /// What was asked for.
        what: String,
        /// The provider's words.
        reason: String,
    },
    /// Our own side cannot do it: a file cannot be written, a credential cannot be had.
    #[error("{}: {}", shown(.what), shown(.reason))]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_words_reach_nobody_but_as_one_line_of_what_is_seen() {
        let reason = "bad \u{1b}[31mRED\u{1b}[0m \u{1b}]0;title\u{7}\r\ngood\u{202e}\u{200b}".to_owned();
        let error = ProviderError::NotInForce { what: "/etc/allow\u{1b}[2K".to_owned(), reason };
        assert_eq!(error.to_string(), "/etc/allow was changed, but the change is not in force: bad RED ]0;title good");
        let error = ProviderError::Rejected { what: "adding".to_owned(), reason: "x".repeat(5_000) };
        assert_eq!(error.to_string().chars().count(), "adding was refused: ".len() + LONGEST + 1);
        let texts = |text: &str| {
            let text = || text.to_owned();
            [
                ProviderError::Unreachable { provider: "AWS", reason: text() },
                ProviderError::Throttled { provider: "AWS", code: text() },
                ProviderError::NotInForce { what: text(), reason: text() },
                ProviderError::Missing { what: text() },
                ProviderError::Denied { what: text(), code: text() },
                ProviderError::QuotaReached { quota: "rules", what: text() },
                ProviderError::Rejected { what: text(), reason: text() },
                ProviderError::Local { what: text(), reason: text() },
            ]
        };
        for error in texts("a\u{9b}31mb\n\u{2066}c") {
            let said = error.to_string();
            assert!(!said.contains(char::is_control) && !said.contains('\u{2066}') && said.contains("a 31mb c"), "{said:?}");
        }
    }
}
