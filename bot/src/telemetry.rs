//! Logs, readable on a terminal and JSON otherwise; traces, where somebody collects them; and the numbers that `/metrics` shows.

mod numbers;
mod traces;

use std::io::IsTerminal;

use entryguard_core::config::TelemetrySettings;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use numbers::{metrics, signature_refused};
pub use traces::Traces;

/// What is heard of serenity, whatever else is wanted.
const SERENITY: &str = "serenity=warn";

/// Starts logging to stderr, so that stdout is the commands' own. `ENTRYGUARD_LOG` chooses what, as `RUST_LOG` does elsewhere.
pub fn start() {
    tracing_subscriber::registry().with(logs()).init();
    numbers::start();
}

/// The same for a server, whose requests and passes may also be traced. Within the runtime that delivers the traces.
pub fn start_with_traces(settings: Option<&TelemetrySettings>) -> anyhow::Result<Traces> {
    let traces = settings.map(Traces::to).transpose()?.unwrap_or_default();
    tracing_subscriber::registry().with(logs()).with(traces.layer()).init();
    numbers::start();
    Ok(traces)
}

fn logs() -> Box<dyn Layer<Registry> + Send + Sync> {
    let quiet = "info,slack_morphism=warn,aws_config=warn,sqlx=warn";
    let filter = EnvFilter::try_from_env("ENTRYGUARD_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    // serenity's own lines quote the Gateway's events, and with them the tokens that interactions are answered with.
    let filter = filter.add_directive(SERENITY.parse().unwrap_or_else(|_| LevelFilter::OFF.into()));
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.with_target(false).compact().with_filter(filter).boxed()
    } else {
        // The list has the innermost span as well.
        logs.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
    }
}
