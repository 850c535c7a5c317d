//! What can go wrong with one call to the simulated cloud.

use crate::domain::Span;
use crate::provider::ProviderError;

/// What goes wrong with one call. A read fails under all of them but [`Fault::Pretended`], which has no meaning for it, and those that
/// have no meaning for a change: it is answered with what is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused for now: too many calls.
    Throttled,
    /// Refused: the credential may not do it.
    Denied,
    /// Refused: the list is full.
    QuotaReached,
    /// It never arrived, and nobody says so.
    RequestLost,
    /// It is done, and nobody says so.
    AnswerLost,
    /// It is answered with an error, and done so much later all the same.
    Late(Span),
    /// It is answered as done, and nothing is: EC2 answers a revocation that matches nothing so.
    Pretended,
    /// A read shows what was there so long ago.
    Stale(Span),
    /// A read shows no more than so many rules, and says nothing of the rest.
    Short(usize),
}

impl Fault {
    /// What whoever called hears.
    pub(super) fn answer(self) -> Result<(), ProviderError> {
        let what = || "changing the list".to_owned();
        let unanswered = |reason: &str| ProviderError::Unreachable { provider: "simulation", reason: reason.into() };
        Err(match self {
            Self::Throttled => ProviderError::Throttled { provider: "simulation", code: "RequestLimitExceeded".into() },
            Self::Denied => ProviderError::Denied { what: what(), code: "UnauthorizedOperation".into() },
            Self::QuotaReached => ProviderError::QuotaReached { quota: "rules per list", what: what() },
            Self::RequestLost => unanswered("the request was lost"),
            Self::AnswerLost => unanswered("the answer was lost"),
            Self::Late(_) => unanswered("the time for an answer is over"),
            Self::Pretended | Self::Stale(_) | Self::Short(_) => return Ok(()),
        })
    }
}
