//! The program behind the GitHub Action: its inputs, and an honest answer until it can do its work.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Opens a session for the runner's address, and closes it in the post step.
#[derive(Parser)]
#[command(name = "entryguard-action", version, about)]
struct Inputs {
    /// Which step of the action runs.
    #[arg(value_enum)]
    phase: Phase,
    /// The server; empty: serverless, with AWS credentials from the environment.
    #[arg(long, env = "INPUT_URL", default_value = "")]
    url: String,
    /// Whom the OIDC token is for.
    #[arg(long, env = "INPUT_AUDIENCE", default_value = "")]
    audience: String,
    /// How long the session lasts.
    #[arg(long, env = "INPUT_DURATION", default_value = "1h")]
    duration: String,
    /// The runner's address; empty: what the server sees.
    #[arg(long, env = "INPUT_IP", default_value = "")]
    ip: String,
    /// Why.
    #[arg(long, env = "INPUT_REASON", default_value = "")]
    reason: String,
    /// How long to wait for the session to be ACTIVE.
    #[arg(long, env = "INPUT_TIMEOUT", default_value = "2m")]
    timeout: String,
}

/// A step of the action.
#[derive(Clone, Copy, ValueEnum)]
enum Phase {
    /// Opens the session.
    Main,
    /// Closes it, whatever became of the job.
    Post,
}

fn main() -> ExitCode {
    let inputs = Inputs::parse();
    let Inputs { phase, url, audience: _, duration, ip: _, reason: _, timeout: _ } = &inputs;
    match phase {
        Phase::Main => {
            let where_to = if url.is_empty() { "serverless" } else { url };
            eprintln!(
                "entryguard-action: this version cannot open sessions from GitHub Actions yet ({duration}, {where_to}). \
                 Nothing was opened. Use the Slack command until it can."
            );
            ExitCode::FAILURE
        }
        // Nothing was opened, so there is nothing to close; and post never fails a job.
        Phase::Post => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_hold_together() {
        use clap::CommandFactory;
        Inputs::command().debug_assert();
    }
}
