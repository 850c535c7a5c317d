//! Logs, readable on a terminal and JSON otherwise; traces, where somebody collects them; and the numbers that `/metrics` shows.

mod numbers;
mod traces;

use std::io::IsTerminal;

use entryguard_core::config::TelemetrySettings;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use numbers::{metrics, signature_refused};
pub use traces::Traces;

/// What is heard of serenity, whatever else is wanted.
const SERENITY: &str = "serenity=warn";

/// Lines of a server's log that wait to be written; more are dropped. Some 10 MB where each is long.
const LINES: usize = 10_000;

/// Starts logging to stderr, so that stdout is the commands' own. `ENTRYGUARD_LOG` chooses what, as `RUST_LOG` does elsewhere.
pub fn start() {
    tracing_subscriber::registry().with(logs(std::io::stderr)).init();
    numbers::start();
}

/// The same for a server, whose requests and passes may also be traced. Within the runtime that delivers the traces.
///
/// A thread of its own writes the log, and lines are dropped where it cannot keep up: a full pipe or a frozen disk must not stop what
/// closes rules. The lines that are left are written when the guard is dropped.
///
/// # Errors
/// The address that traces go to cannot be used.
pub fn start_with_traces(settings: Option<&TelemetrySettings>) -> anyhow::Result<(Traces, WorkerGuard)> {
    let traces = settings.map(Traces::to).transpose()?.unwrap_or_default();
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).finish(std::io::stderr());
    tracing_subscriber::registry().with(logs(writer)).with(traces.layer()).init();
    numbers::start();
    Ok((traces, guard))
}

fn logs(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) -> Box<dyn Layer<Registry> + Send + Sync> {
    let quiet = "info,slack_morphism=warn,aws_config=warn,sqlx=warn";
    let filter = EnvFilter::try_from_env("ENTRYGUARD_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    // serenity's own lines quote the Gateway's events, and with them the tokens that interactions are answered with.
    let filter = filter.add_directive(SERENITY.parse().unwrap_or_else(|_| LevelFilter::OFF.into()));
    let logs = tracing_subscriber::fmt::layer().with_writer(writer);
    if std::io::stderr().is_terminal() {
        logs.with_target(false).compact().with_filter(filter).boxed()
    } else {
        // The list has the innermost span as well.
        logs.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
    }
}
