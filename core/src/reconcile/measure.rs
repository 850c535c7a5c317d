//! What is counted as it happens, for `/metrics`, and the spans of what is done. Never a member, an address or a session.

use std::time::Instant;

use metrics::{counter, gauge, histogram};
use tracing::{Instrument, Span as TracingSpan, field};

use crate::domain::{Bucket, DriftKind, ResourceName, Span, Timestamp};
use crate::provider::ProviderError;

use super::{Plan, SweepReport};

/// Calls a provider: counted by how it ended, timed, and in a span of its own.
pub(super) async fn call<T>(
    api: &'static str,
    calling: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let span = tracing::info_span!("provider call", api, outcome = field::Empty);
    let began = Instant::now();
    let answer = calling.instrument(span.clone()).await;
    let outcome = match &answer {
        Ok(_) => "ok",
        Err(error) => error.kind(),
    };
    span.record("outcome", outcome);
    counter!("entryguard_provider_calls_total", "api" => api, "outcome" => outcome).increment(1);
    histogram!("entryguard_provider_call_seconds", "api" => api).record(began.elapsed());
    answer
}

/// The span of one pass over one resource.
pub(super) fn pass(resource: &ResourceName, plan: &Plan) -> TracingSpan {
    let (removing, adding) = (plan.removing.len(), plan.adding.len());
    tracing::info_span!("reconcile", %resource, removing, adding)
}

/// The span of a sweep of one resource.
pub(super) fn sweep(resource: &ResourceName) -> TracingSpan {
    tracing::info_span!("sweep", %resource)
}

/// A session's rule is there, so long after its session began.
pub(super) fn opened(after: Span) {
    histogram!("entryguard_open_seconds").record(after.as_duration());
}

/// A session's rule is gone, so long after its session's end.
pub(super) fn closed(after: Span) {
    histogram!("entryguard_close_lag_seconds").record(after.as_duration());
}

/// Something is not as it should be.
pub(crate) fn drift(kind: DriftKind) {
    counter!("entryguard_drift_total", "kind" => kind.as_str()).increment(1);
}

/// The reconciler has read what is due.
pub(super) fn reconciled(now: Timestamp) {
    gauge!("entryguard_reconcile_last_success_timestamp").set(seconds(now));
}

/// The clock has looked for sessions that ran out.
pub(super) fn clock_ticked(now: Timestamp) {
    gauge!("entryguard_expiry_loop_last_tick_timestamp").set(seconds(now));
}

/// A sweep has looked at a resource.
pub(super) fn swept(now: Timestamp) {
    gauge!("entryguard_sweep_last_success_timestamp_seconds").set(seconds(now));
}

/// What a sweep of everything has left in place, though nobody wants it.
#[expect(clippy::cast_precision_loss, reason = "a count stays far below 2^53")]
pub(super) fn left_behind(report: &SweepReport) {
    let left: usize = report.resources.iter().map(|swept| swept.left_behind()).sum();
    gauge!("entryguard_rules_orphaned").set(left as f64);
}

/// What is left of a provider's limit.
#[expect(clippy::cast_precision_loss, reason = "a bucket holds far less than 2^53 calls")]
pub(super) fn tokens(api: &str, bucket: Bucket) {
    gauge!("entryguard_provider_tokens", "api" => api.to_owned()).set(bucket.tokens_milli as f64 / 1000.0);
}

/// Whether this process closes without the database.
pub(super) fn offline(closes: bool) {
    gauge!("entryguard_offline").set(u8::from(closes));
    // There from the beginning: an alert on an increase would not see the first one otherwise.
    counter!("entryguard_rules_closed_offline_total").increment(0);
}

/// A rule whose time was over was removed without the database.
pub(super) fn closed_offline() {
    counter!("entryguard_rules_closed_offline_total").increment(1);
}

/// Whether the hints of other replicas are heard.
pub(super) fn listening(hears: bool) {
    gauge!("entryguard_listen_ok").set(u8::from(hears));
}

#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch stay far below 2^53")]
fn seconds(at: Timestamp) -> f64 {
    at.as_seconds() as f64
}
