//! `entryguard panic`: closes at once, beside a running server or without one, and keeps closed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use entryguard_core::clock::SystemClock;
use entryguard_core::config::Settings;
use entryguard_core::domain::{Actor, Panic, SessionId};
use entryguard_core::engine::{close_at_once, finish_panics, lift_panic, panics_in_force};
use entryguard_core::random::SystemRandom;
use entryguard_core::store::{Store, StoreError};
use serde_json::{Value, json};

use crate::cli::{PanicOptions, PanicVerb};
use crate::operator::operator;
use crate::wiring::Wired;

/// What is left to do where the database does not take a panic.
const WITHOUT_DATABASE: &str = "the database failed, so not everything may be closed; to close every rule without it, run \
    `entryguard sweep --all`, and run this command again once the database is repaired, because nothing keeps the resources closed until then";

/// How long to wait until a running server has removed every rule.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

/// Closes, lifts or lists.
pub async fn run(verb: PanicVerb) -> anyhow::Result<ExitCode> {
    match verb {
        PanicVerb::Close(options) => close(&options).await.map_err(|error| match error.is::<StoreError>() {
            true => error.context(WITHOUT_DATABASE),
            false => error,
        }),
        PanicVerb::Lift(options) => lift(&options).await,
        PanicVerb::List(options) => {
            let database = Settings::read_database(&options.config.config)?;
            list(&Store::open_beside(&database, Arc::new(SystemClock)).await?, options.json).await
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn close(options: &PanicOptions) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&options.config.config)?;
    let scope = options.scope().context("say what to close: --all, --member NAME or --resource NAME")?;
    anyhow::ensure!(scope.is_in(&settings.directory), "there is no {scope} in the configuration; nothing was closed");
    // Where no server has the database, this command removes the rules itself.
    let (store, closer) = match Wired::build(&settings.database, settings.directory, settings.later_reads).await {
        Ok(wired) => (Arc::clone(&wired.store), Some(wired)),
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::InUse(_))) => {
            (Arc::new(Store::open_beside(&settings.database, Arc::new(SystemClock)).await?), None)
        }
        Err(error) => return Err(error),
    };
    let closed = close_at_once(&store, &scope, &Actor::Operator(operator()), options.reason.clone(), &SystemRandom).await?;
    if let Some(error) = closed.unfinished {
        tracing::warn!(%error, "not all could be closed yet; trying again");
        finish(&store).await?;
    }
    if !options.json {
        println!("Closing {} sessions in {scope}; new ones are refused until `entryguard panic lift`.", closed.sessions.len());
    }
    if let Some(wired) = &closer {
        wired.reconciler.resume().await?;
    }
    wait_until_closed(&store, closer.as_ref()).await?;
    store.close().await;
    match options.json {
        true => {
            let sessions: Vec<_> = closed.sessions.iter().map(SessionId::as_str).collect();
            println!("{:#}", json!({ "scope": scope.to_string(), "sessions": sessions, "rulesLeft": 0 }));
        }
        false => println!("Every rule is gone."),
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes on where the database failed for a moment: what is in force is closed to the last session.
async fn finish(store: &Store) -> anyhow::Result<()> {
    let began = Instant::now();
    while let Err(error) = finish_panics(store, &SystemRandom).await {
        anyhow::ensure!(
            began.elapsed() < PATIENCE,
            "it is closed for whatever starts from here on, but not all that is open could be closed ({error}); run the command again, or \
             leave it to a running server, which goes on trying"
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn wait_until_closed(store: &Store, closer: Option<&Wired>) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        if let Some(wired) = closer {
            wired.reconciler.reconcile_all_due().await?;
        }
        let stats = store.begin().await?.stats().await?;
        if stats.removals_due == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            began.elapsed() < PATIENCE,
            "{} rules are still being removed; {}",
            stats.removals_due,
            match closer {
                Some(_) => "run the command again, or start the server, which goes on trying",
                None => "the server goes on trying, and its log says what keeps it",
            }
        );
        tokio::time::sleep(LOOK).await;
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn lift(options: &PanicOptions) -> anyhow::Result<ExitCode> {
    let database = Settings::read_database(&options.config.config)?;
    let store = Store::open_beside(&database, Arc::new(SystemClock)).await?;
    let lifted = lift_panic(&store, options.scope().as_ref(), &Actor::Operator(operator()), &SystemRandom).await?;
    if options.json {
        println!("{:#}", json!({ "lifted": lifted, "inForce": in_json(&panics_in_force(&store).await?) }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("Lifted {lifted}. Sessions that were closed stay closed; new ones may start.");
    list(&store, false).await
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn list(store: &Store, json: bool) -> anyhow::Result<ExitCode> {
    let panics = panics_in_force(store).await?;
    if json {
        println!("{:#}", in_json(&panics));
        return Ok(ExitCode::SUCCESS);
    }
    if panics.is_empty() {
        println!("Nothing is closed by a panic.");
    }
    for panic in panics {
        let reason = panic.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        println!("{} closed by {} at {}{reason}", panic.scope, panic.by, panic.at);
    }
    Ok(ExitCode::SUCCESS)
}

fn in_json(panics: &[Panic]) -> Value {
    let each = |panic: &Panic| json!({ "scope": panic.scope.to_string(), "by": panic.by, "at": panic.at.to_string(), "reason": panic.reason });
    panics.iter().map(each).collect()
}
