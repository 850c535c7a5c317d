//! The post step: it closes what the main step opened, and fails no job, also where somebody cancels it meanwhile.

use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::sleep;

use crate::cancel::cancelled;
use crate::inputs::Telling;
use crate::runner::Runner;
use crate::{closing, serverless};

/// The runner kills what goes on ten seconds after an interrupt, and nobody would be told anything.
const AFTER_AN_INTERRUPT: Duration = Duration::from_secs(6);

/// Closes what the main step opened. What is left ends by itself.
pub async fn run(telling: &Telling, runner: &Runner) -> ExitCode {
    let cut_off = patience();
    let close = async {
        match serverless::held(runner) {
            Some(held) => serverless::close(&held, telling, runner).await,
            None => closing::run(telling, runner).await,
        }
    };
    tokio::select! {
        () = close => {}
        () = cut_off => runner.warning(&format!(
            "The job was cancelled while its session was being closed. What is not closed by now is closed {}.",
            closing::at_the_latest(runner)
        )),
    }
    ExitCode::SUCCESS
}

/// How long this step goes on after an interrupt; for ever where there is none.
fn patience() -> impl Future<Output = ()> {
    // From here on no interrupt ends the program.
    let cancelled = cancelled();
    async {
        match cancelled {
            Ok(cancelled) => cancelled.await,
            Err(_) => pending().await,
        }
        sleep(AFTER_AN_INTERRUPT).await;
    }
}
