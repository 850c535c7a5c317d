//! The post step: ends the session, waits for a while until its rules are gone, and says plainly where it could not.

use std::time::{Duration, Instant};

use crate::inputs::Telling;
use crate::runner::Runner;
use crate::server::{Key, LATE_CALLS, Server, ServerError};
use crate::session::Session;

/// How long a server that is away is asked.
const ASKED_FOR: Duration = Duration::from_secs(20);
/// How long to wait until the rules are gone.
const WAITED_FOR: Duration = Duration::from_secs(30);
/// How soon to look again where the server could not be asked.
const LOOK: Duration = Duration::from_millis(500);

/// Closes what the main step opened.
pub async fn run(telling: &Telling, runner: &Runner) {
    let (Some(url), Some(key)) = (runner.saved("url"), runner.saved("key")) else {
        runner.tell("Nothing was opened, so there is nothing to close.");
        return;
    };
    runner.mask(&key);
    let (server, key) = (Server::at(&url), Key::kept(key));
    match stop(&server, &key, may_still_begin(runner)).await {
        Ok(session) => {
            let session = wait(runner, &server, &key, session).await;
            if let Some(pull_request) = telling.pull_request() {
                pull_request.closed(&session, runner).await;
            }
        }
        Err(ServerError::NoSession) => runner.tell("No session was started, so there is nothing to close."),
        Err(error) => runner.warning(&format!(
            "The session could not be closed now ({error}). The server closes it by itself {}.",
            at_the_latest(runner)
        )),
    }
}

/// When a session ends of which nobody hears any more.
pub fn at_the_latest(runner: &Runner) -> String {
    runner.saved("until").map_or_else(|| "when its time is over".to_owned(), |until| format!("at {until}"))
}

/// Whether the main step asked for a session, and was cut off before it had an answer.
fn may_still_begin(runner: &Runner) -> bool {
    runner.saved("asked").is_some() && runner.saved("settled").is_none()
}

async fn stop(server: &Server, key: &Key, mut may_still_begin: bool) -> Result<Session, ServerError> {
    let began = Instant::now();
    let mut wait = Duration::from_secs(1);
    loop {
        match server.stop(key).await {
            Err(ServerError::NoSession) if may_still_begin => {
                tokio::time::sleep(LATE_CALLS).await;
                may_still_begin = false;
            }
            Err(ServerError::Away(_)) if began.elapsed() + wait < ASKED_FOR => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            other => return other,
        }
    }
}

async fn wait(runner: &Runner, server: &Server, key: &Key, mut session: Session) -> Session {
    let began = Instant::now();
    if !session.is_closed() {
        runner.tell(&format!(
            "Session {} is ended. Waiting until EntryGuard has seen twice, a second apart, that its rules are gone.",
            session.short()
        ));
    }
    while !session.is_closed() && began.elapsed() < WAITED_FOR {
        match server.show_when_settled(key).await {
            Ok(now) => session = now,
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
    match session.is_closed() {
        true => runner.tell(&format!("Session {} is closed.", session.short())),
        false => runner.warning(&format!(
            "Session {} is ended, and its rules are not gone yet ({}). The server goes on until they are.",
            session.short(),
            session.status.as_str()
        )),
    }
    session
}
