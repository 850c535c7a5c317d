//! The main step: a session for the runner's address, and, unless told otherwise, nothing further until it is open.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use secrecy::ExposeSecret;

use crate::cancel::cancelled;
use crate::inputs::Inputs;
use crate::report::{publish, report};
use crate::runner::Runner;
use crate::server::{Key, Server, ServerError};
use crate::session::{Rule, Session, Status};
use crate::token;

/// How often a server that is away is asked.
const TRIES: u32 = 4;
/// How often to look how the session is.
const LOOK: Duration = Duration::from_millis(500);

/// Opens a session. What a cancelled job leaves is closed at once, and by the post step.
pub async fn run(inputs: &Inputs, runner: &Runner) -> anyhow::Result<()> {
    let (server, key) = (Server::at(&inputs.url), Key::new());
    runner.mask(key.expose());
    if !inputs.api_key.expose_secret().is_empty() {
        runner.mask(inputs.api_key.expose_secret());
    }
    // Before anything is asked: whatever happens from here on, the post step finds the session.
    runner
        .save("url", &inputs.url)
        .and_then(|()| runner.save("key", key.expose()))
        .context("the runner's state cannot be written")?;
    let cancelled = cancelled()?;
    tokio::select! {
        opened = open(inputs, runner, &server, &key) => opened,
        () = cancelled => {
            // The question may still be on its way to the server, so it is asked twice; and once more by the post step.
            match server.stop_what_may_begin(&key).await {
                Ok(_) => bail!("The job was cancelled; the session is being closed."),
                Err(ServerError::NoSession) => bail!("The job was cancelled before the server had started a session."),
                Err(error) => bail!("The job was cancelled. The session could not be closed yet ({error}); the post step tries again."),
            }
        }
    }
}

async fn open(inputs: &Inputs, runner: &Runner, server: &Server, key: &Key) -> anyhow::Result<()> {
    let asked_at = Instant::now();
    let mut session = start(inputs, runner, server, key).await?;
    runner.save("until", &session.expires_at)?;
    let group = runner.group(&format!("EntryGuard opens {} resources for {}", session.resource_ips.len(), session.addresses()));
    let mut told = Vec::new();
    tell_changes(runner, &session, &mut told);
    while inputs.wait && on_its_way(&session) {
        if asked_at.elapsed() > inputs.timeout.as_duration() {
            publish(runner, &session)?;
            bail!("The session is still {} after {}. The post step closes it.", session.status.as_str(), inputs.timeout);
        }
        tokio::time::sleep(LOOK).await;
        match server.show(key).await {
            Ok(now) => session = now,
            Err(ServerError::Away(why)) => runner.tell(&format!("The server does not say how the session is ({why}).")),
            Err(error) => bail!(error),
        }
        tell_changes(runner, &session, &mut told);
    }
    drop(group);
    report(inputs, runner, &session).await
}

/// Asks with a token of its own each time, because one is good for one request; or with the key, where there is one.
async fn start(inputs: &Inputs, runner: &Runner, server: &Server, key: &Key) -> anyhow::Result<Session> {
    let mut tried = 1;
    loop {
        let token = match inputs.api_key.expose_secret() {
            "" => token::request(inputs.audience(), runner).await?,
            _ => inputs.api_key.clone(),
        };
        runner.save("asked", "yes")?;
        match server.start(inputs, key, &token).await {
            Err(ServerError::Away(why)) if tried < TRIES => {
                runner.tell(&format!("The server is away ({why}); trying again."));
                tokio::time::sleep(Duration::from_secs(1 << tried)).await;
                tried += 1;
            }
            answer => {
                // A try before this one, that had no answer, may still be on its way.
                if tried == 1 && !matches!(answer, Err(ServerError::Away(_))) {
                    runner.save("settled", "yes")?;
                }
                return Ok(answer?);
            }
        }
    }
}

/// Whether waiting may still change something.
fn on_its_way(session: &Session) -> bool {
    match session.status {
        Status::Requested | Status::Pending => true,
        Status::Active
        | Status::Partial
        | Status::Failed
        | Status::Denied
        | Status::Expiring
        | Status::Expired
        | Status::Cancelled => false,
    }
}

fn tell_changes(runner: &Runner, session: &Session, told: &mut Vec<Rule>) {
    if session.status == Status::Requested && told.is_empty() {
        runner.tell("Somebody has to approve this session first.");
    }
    for rule in session.resource_ips.iter().filter(|rule| !told.contains(rule)) {
        runner.tell(&rule.line());
    }
    told.clone_from(&session.resource_ips);
}
