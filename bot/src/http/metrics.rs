//! `/metrics`, as Prometheus reads it. No name, address or session is in it.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use entryguard_core::domain::BlockCause;
use entryguard_core::engine::Stats;
use entryguard_core::store::BlockedGrants;
use metrics::gauge;

use super::Shared;

/// The text format, in the version that everybody reads.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The one route: on the public address, or on one of its own.
pub fn routes() -> Router<Shared> {
    Router::new().route("/metrics", get(show))
}

async fn show(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.engine.stats().await {
        Ok(stats) => {
            set(&stats);
            gauge!("entryguard_database_up").set(1);
        }
        // What is counted in this process is worth showing all the same.
        Err(error) => {
            tracing::error!(error = ?error, "the numbers of the database could not be read");
            gauge!("entryguard_database_up").set(0);
        }
    }
    match shared.engine.blocked_grants().await {
        Ok(blocked) => set_blocked(&blocked),
        Err(error) => tracing::error!(error = ?error, "what waits for resources could not be counted"),
    }
    gauge!("entryguard_openings_refused").set(u32::from(shared.engine.refused().is_some()));
    #[expect(clippy::cast_precision_loss, reason = "a skew of 2^53 ms is skew enough")]
    gauge!("entryguard_clock_skew_seconds").set(shared.engine.clock_skew_millis() as f64 / 1000.0);
    (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], crate::telemetry::metrics())
}

/// Every cause is shown, so that an alert sees the first one and that it is over.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn set_blocked(blocked: &[BlockedGrants]) {
    for cause in BlockCause::ALL {
        let alike = || blocked.iter().filter(move |blocked| blocked.block.cause == cause);
        let resources: BTreeSet<_> = alike().map(|blocked| &blocked.block.resource).collect();
        let waiting: u64 = alike().map(|blocked| blocked.waiting).sum();
        gauge!("entryguard_resources_blocked", "cause" => cause.as_str()).set(resources.len() as f64);
        gauge!("entryguard_grants_waiting", "cause" => cause.as_str()).set(waiting as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn set(stats: &Stats) {
    // A session that awaits approval is not a running one.
    gauge!("entryguard_sessions", "state" => "live").set((stats.live - stats.requested) as f64);
    gauge!("entryguard_sessions", "state" => "requested").set(stats.requested as f64);
    gauge!("entryguard_sessions", "state" => "closing").set(stats.closing as f64);
    gauge!("entryguard_closing_seconds_max").set(stats.closing_for.as_duration().as_secs_f64());
    gauge!("entryguard_rules_overdue").set(stats.overdue as f64);
    gauge!("entryguard_rule_overdue_seconds_max").set(stats.overdue_for.as_duration().as_secs_f64());
    gauge!("entryguard_removals_due").set(stats.removals_due as f64);
    gauge!("entryguard_removal_attempts_max").set(stats.removal_attempts as f64);
    gauge!("entryguard_panics").set(stats.panics as f64);
}
