//! Logs, readable on a terminal and JSON otherwise; and the numbers that `/metrics` shows.

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is heard of serenity, whatever else is wanted.
const SERENITY: &str = "serenity=warn";

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds of the histograms, in seconds: from a call to the rule that nobody gets removed.
const BUCKETS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0, 3600.0];

/// The numbers so far, as Prometheus reads them.
pub fn metrics() -> String {
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

fn start_metrics() -> Result<(), metrics_exporter_prometheus::BuildError> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    METRICS.set(handle).ok();
    Ok(())
}

/// Starts logging to stderr, so that stdout is the commands' own. `ENTRYGUARD_LOG` chooses what, as `RUST_LOG` does elsewhere.
pub fn start() {
    let quiet = "info,slack_morphism=warn,aws_config=warn,sqlx=warn";
    let filter = EnvFilter::try_from_env("ENTRYGUARD_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    // serenity's own lines quote the Gateway's events, and with them the tokens that interactions are answered with.
    let filter = filter.add_directive(SERENITY.parse().unwrap_or_else(|_| LevelFilter::OFF.into()));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.with_target(false).compact().init();
    } else {
        logs.json().flatten_event(true).init();
    }
    if let Err(error) = start_metrics() {
        tracing::error!(%error, "there will be no metrics");
    }
}
