//! Logs: readable on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr, so that stdout is the commands' own. `ENTRYGUARD_LOG` chooses what, as `RUST_LOG` does elsewhere.
pub fn start() {
    let quiet = "info,slack_morphism=warn,aws_config=warn,sqlx=warn";
    let filter = EnvFilter::try_from_env("ENTRYGUARD_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.with_target(false).compact().init();
    } else {
        logs.json().flatten_event(true).init();
    }
}
