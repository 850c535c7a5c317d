//! Counts what a guard refuses to open, by its reason. Never whom.

use metrics::counter;

use super::{EngineError, OpeningsRefused};

/// Every reason for which a guard refuses.
pub const GUARDS: [&str; 13] = [
    "store",
    "blind",
    "clock",
    "panic",
    "address",
    "address_by_hand",
    "address_not_seen",
    "duration",
    "sessions_at_once",
    "no_resources",
    "break_glass",
    "approver",
    "link",
];

/// The same, counted where a guard refused.
pub(super) fn counted<T>(answer: Result<T, EngineError>) -> Result<T, EngineError> {
    if let Some(reason) = answer.as_ref().err().and_then(reason) {
        counter!("entryguard_guard_refusals_total", "reason" => reason).increment(1);
    }
    answer
}

/// Which guard refused; none where nothing was to be opened, or something failed.
const fn reason(error: &EngineError) -> Option<&'static str> {
    Some(match error {
        EngineError::Refused(OpeningsRefused::Store(_) | OpeningsRefused::Offline(_)) => "store",
        EngineError::Refused(OpeningsRefused::Blind(_)) => "blind",
        EngineError::Refused(OpeningsRefused::Clock(_)) => "clock",
        EngineError::Panic { .. } => "panic",
        EngineError::Address(_) => "address",
        EngineError::NotByHand => "address_by_hand",
        EngineError::NothingRemembered | EngineError::RememberedAnother => "address_not_seen",
        EngineError::Duration(_) | EngineError::AtTheLimit { .. } => "duration",
        EngineError::TooManySessions { .. } => "sessions_at_once",
        EngineError::NoResources { .. } => "no_resources",
        EngineError::BreakGlassRefused | EngineError::NoGlassToBreak => "break_glass",
        EngineError::OwnRequest | EngineError::NotAnApprover { .. } | EngineError::NobodyToApprove { .. } => "approver",
        EngineError::LinkUnknown | EngineError::LinkExpired(_) | EngineError::LinkUsed => "link",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Span;

    #[test]
    fn a_refusal_has_one_of_the_reasons_and_a_failure_has_none() {
        for error in [EngineError::NotByHand, EngineError::OwnRequest, EngineError::LinkExpired(Span::from_minutes(10))] {
            let reason = reason(&error).unwrap();
            assert!(GUARDS.contains(&reason), "{reason}");
        }
        assert_eq!(reason(&EngineError::NoLiveSession), None);
    }
}
