//! The program behind the GitHub Action: `main` opens a session for the runner's address, `post` closes it, whatever became of the job.

mod cancel;
mod closing;
mod comment;
mod http;
mod inputs;
mod opening;
mod post;
mod pull_request;
mod report;
mod runner;
mod server;
mod serverless;
mod session;
mod step;
mod token;

use std::env;
use std::process::ExitCode;

use inputs::{Inputs, Mode};
use runner::Runner;
use step::Step;

#[tokio::main]
async fn main() -> ExitCode {
    let runner = Runner::from_environment();
    match step::read(env::args_os(), &runner) {
        Ok(Step::Main(inputs)) => match open(&inputs, &runner).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                runner.error(&error.to_string());
                ExitCode::FAILURE
            }
        },
        Ok(Step::Post(telling)) => post::run(&telling, &runner).await,
        Err(error) => step::misread(&error, &runner),
    }
}

async fn open(inputs: &Inputs, runner: &Runner) -> anyhow::Result<()> {
    match inputs.mode(env::var("AWS_REGION").ok().filter(|region| !region.is_empty()))? {
        Mode::Server => opening::run(inputs, runner).await,
        Mode::Serverless(groups) => serverless::open(inputs, groups, runner).await,
    }
}
