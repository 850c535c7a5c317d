//! What is counted as it happens, for `/metrics`. Never a member, an address or a session.

use metrics::{counter, histogram};

use crate::domain::{DriftKind, Span};
use crate::provider::ProviderError;

/// A provider was called.
pub(super) fn call<T>(api: &'static str, answer: &Result<T, ProviderError>) {
    let outcome = match answer {
        Ok(_) => "ok",
        Err(error) => error.kind(),
    };
    counter!("entryguard_provider_calls_total", "call" => api, "outcome" => outcome).increment(1);
}

/// A session's rule is there, so long after its session began.
pub(super) fn opened(after: Span) {
    histogram!("entryguard_open_seconds").record(after.as_duration());
}

/// A session's rule is gone, so long after its session's end.
pub(super) fn closed(after: Span) {
    histogram!("entryguard_close_seconds").record(after.as_duration());
}

/// Something is not as it should be.
pub(super) fn drift(kind: DriftKind) {
    counter!("entryguard_drift_total", "kind" => kind.as_str()).increment(1);
}

/// The clock has looked for sessions that ran out.
pub(super) fn clock_ticked(now: crate::domain::Timestamp) {
    metrics::gauge!("entryguard_clock_last_tick_timestamp_seconds").set(seconds(now));
}

/// A sweep has looked at a resource.
pub(super) fn swept(now: crate::domain::Timestamp) {
    metrics::gauge!("entryguard_sweep_last_success_timestamp_seconds").set(seconds(now));
}

#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch stay far below 2^53")]
fn seconds(at: crate::domain::Timestamp) -> f64 {
    at.as_seconds() as f64
}
