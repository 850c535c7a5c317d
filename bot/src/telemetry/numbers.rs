//! The numbers of this process: what each means, and where the bounds of the histograms are.

use std::sync::OnceLock;

use entryguard_core::domain::DriftKind;
use entryguard_core::engine::GUARDS;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds of the histograms, in seconds: from a call to the rule that nobody gets removed.
const BUCKETS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0, 3600.0];
/// Of answers, which a chat waits three seconds for.
const ANSWERS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 3.0, 10.0];

const GAUGES: [(&str, &str); 21] = [
    ("entryguard_sessions", "Sessions by state: live, requested (awaiting approval), closing (over, and not closed yet)"),
    ("entryguard_rules_overdue", "Rules that may be there although nobody's time lets them"),
    ("entryguard_rule_overdue_seconds_max", "For how long the oldest overdue rule has been so"),
    ("entryguard_rules_orphaned", "Rules of ours that nobody wants and that the last sweep of this process left in place"),
    ("entryguard_closing_seconds_max", "For how long the oldest session that is not closed yet has been over"),
    ("entryguard_removals_due", "Rules that are to be removed and are not yet gone for good"),
    ("entryguard_removal_attempts_max", "How often the removal that goes worst has been tried"),
    ("entryguard_provider_tokens", "Calls left of what a provider lets us make, by credential, region and API"),
    ("entryguard_reconcile_last_success_timestamp", "When the reconciler last read what is due, in seconds since 1970"),
    ("entryguard_expiry_loop_last_tick_timestamp", "When sessions that ran out were last looked for, in seconds since 1970"),
    ("entryguard_sweep_last_success_timestamp_seconds", "When a sweep last read a resource, in seconds since 1970"),
    ("entryguard_audit_chain_ok", "1 where the audit log's hashes fit together, 0 where somebody has changed it"),
    ("entryguard_clock_skew_seconds", "This machine's clock less the database's"),
    ("entryguard_listen_ok", "1 where hints of other replicas are heard, or there can be none"),
    ("entryguard_openings_refused", "1 while nothing is opened, because closing is not certain"),
    ("entryguard_offline", "1 while this server closes by the tags on the rules, because the database fails"),
    ("entryguard_panics", "Scopes that a panic keeps closed"),
    ("entryguard_resources_blocked", "Resources that refuse additions which wait for them, by cause: quota, missing, denied, …"),
    ("entryguard_grants_waiting", "Grants that wait for a resource that refuses additions, by cause"),
    ("entryguard_database_up", "1 where the database answered this very request"),
    ("entryguard_build_info", "1, with the version of the program"),
];

const COUNTERS: [(&str, &str); 7] = [
    ("entryguard_provider_calls_total", "Calls of providers, by what was called and how it ended"),
    ("entryguard_drift_total", "What was found not to be as it should, by kind"),
    ("entryguard_rules_closed_offline_total", "Rules whose time was over and that were removed while the database failed"),
    ("entryguard_guard_refusals_total", "What a guard refused to open, by reason"),
    (
        "entryguard_signature_failures_total",
        "Requests that claimed to be signed and were refused, by whom they claimed to come from",
    ),
    ("entryguard_http_requests_total", "Requests, by method, route and status"),
    ("entryguard_connections_shed_total", "Connections that were closed early because a bound was reached, by which one"),
];

const HISTOGRAMS: [(&str, &str); 5] = [
    ("entryguard_open_seconds", "From a session's start to a rule of it"),
    ("entryguard_close_lag_seconds", "From a session's end to the removal of a rule of it"),
    ("entryguard_provider_call_seconds", "How long calls of providers took"),
    ("entryguard_ack_seconds", "How long a chat waited for the answer to a command, a press or an event"),
    ("entryguard_http_request_seconds", "How long requests took"),
];

/// Who signs requests.
const SIGNERS: [&str; 3] = ["slack", "discord", "github"];

/// The bounds of a listener.
const BOUNDS: [&str; 5] = ["connections", "connections_of_address", "spare_connections", "bytes", "bytes_of_address"];

/// The numbers so far, as Prometheus reads them.
pub fn metrics() -> String {
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// A request that claimed to be signed was refused.
pub fn signature_refused(sender: &str) {
    counter!("entryguard_signature_failures_total", "surface" => sender.to_ascii_lowercase()).increment(1);
}

/// Begins to count.
pub fn start() {
    match install() {
        Ok(handle) => {
            METRICS.set(handle).ok();
            describe();
            begin_at_nought();
        }
        Err(error) => tracing::error!(%error, "there will be no metrics"),
    }
}

fn install() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let answers = |name: &str| Matcher::Full(name.to_owned());
    PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .set_buckets_for_metric(answers("entryguard_ack_seconds"), &ANSWERS)?
        .set_buckets_for_metric(answers("entryguard_http_request_seconds"), &ANSWERS)?
        .install_recorder()
}

fn describe() {
    for (name, help) in GAUGES {
        describe_gauge!(name, help);
    }
    for (name, help) in COUNTERS {
        describe_counter!(name, help);
    }
    for (name, help) in HISTOGRAMS {
        describe_histogram!(name, help);
    }
}

/// What has not happened yet is shown as nought: an alert on an increase would not see the first one otherwise.
fn begin_at_nought() {
    for kind in DriftKind::ALL {
        counter!("entryguard_drift_total", "kind" => kind.as_str()).absolute(0);
    }
    for reason in GUARDS {
        counter!("entryguard_guard_refusals_total", "reason" => reason).absolute(0);
    }
    for sender in SIGNERS {
        counter!("entryguard_signature_failures_total", "surface" => sender).absolute(0);
    }
    for reason in BOUNDS {
        counter!("entryguard_connections_shed_total", "reason" => reason).absolute(0);
    }
    gauge!("entryguard_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
}
