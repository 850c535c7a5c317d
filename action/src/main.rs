//! The program behind the GitHub Action: `main` opens a session for the runner's address, `post` closes it, whatever became of the job.

mod cancel;
mod closing;
mod http;
mod inputs;
mod opening;
mod pull_request;
mod report;
mod runner;
mod server;
mod serverless;
mod session;
mod token;

use std::env;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use inputs::{Inputs, Mode};
use runner::Runner;

/// Opens a session for the runner's address, and closes it in the post step.
#[derive(Parser)]
#[command(name = "entryguard-action", version, about)]
struct Arguments {
    /// Which step of the action runs.
    #[arg(value_enum)]
    phase: Phase,
    #[command(flatten)]
    inputs: Inputs,
}

/// A step of the action.
#[derive(Clone, Copy, ValueEnum)]
enum Phase {
    /// Opens the session.
    Main,
    /// Closes it, whatever became of the job.
    Post,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { phase, inputs } = Arguments::parse();
    let runner = Runner::from_environment();
    match phase {
        Phase::Main => match open(&inputs, &runner).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                runner.error(&error.to_string());
                ExitCode::FAILURE
            }
        },
        // Post never fails a job: what is left ends by itself.
        Phase::Post => {
            match serverless::held(&runner) {
                Some(held) => serverless::close(&held, &inputs, &runner).await,
                None => closing::run(&inputs, &runner).await,
            }
            ExitCode::SUCCESS
        }
    }
}

async fn open(inputs: &Inputs, runner: &Runner) -> anyhow::Result<()> {
    match inputs.mode(env::var("AWS_REGION").ok().filter(|region| !region.is_empty()))? {
        Mode::Server => opening::run(inputs, runner).await,
        Mode::Serverless(groups) => serverless::open(inputs, groups, runner).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_hold_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
