//! `entryguard panic`: closes at once, beside a running server or without one, and keeps closed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use entryguard_core::clock::SystemClock;
use entryguard_core::config::Settings;
use entryguard_core::domain::{PanicScope, is_guest};
use entryguard_core::engine::{close_at_once, lift_panic, panics_in_force};
use entryguard_core::random::SystemRandom;
use entryguard_core::store::{Store, StoreError};

use crate::cli::{PanicOptions, PanicVerb};
use crate::operator::operator;
use crate::wiring::Wired;

/// How long to wait until a running server has removed every rule.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

/// Closes, lifts or lists.
pub async fn run(verb: PanicVerb) -> anyhow::Result<ExitCode> {
    match verb {
        PanicVerb::Close(options) => close(&options).await,
        PanicVerb::Lift(options) => lift(&options).await,
        PanicVerb::List(config) => {
            let database = Settings::read_database(&config.config)?;
            list(&Store::open_beside(&database, Arc::new(SystemClock)).await?).await
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn close(options: &PanicOptions) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&options.config.config)?;
    let scope = options.scope().context("say what to close: --all, --member NAME or --resource NAME")?;
    refuse_unknown(&scope, &settings)?;
    // Where no server has the database, this command removes the rules itself.
    let (store, closer) = match Wired::build(&settings.database, settings.directory, settings.later_reads).await {
        Ok(wired) => (Arc::clone(&wired.store), Some(wired)),
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::InUse(_))) => {
            (Arc::new(Store::open_beside(&settings.database, Arc::new(SystemClock)).await?), None)
        }
        Err(error) => return Err(error),
    };
    let closed = close_at_once(&store, &scope, &operator(), options.reason.clone(), &SystemRandom).await?;
    println!("Closing {} sessions in {scope}; new ones are refused until `entryguard panic lift`.", closed.sessions.len());
    if let Some(wired) = &closer {
        wired.reconciler.resume().await?;
    }
    let code = wait_until_closed(&store, closer.as_ref()).await?;
    store.close().await;
    Ok(code)
}

/// A name that is not configured is more likely a slip than a wish, and a slip here leaves something open.
fn refuse_unknown(scope: &PanicScope, settings: &Settings) -> anyhow::Result<()> {
    let known = match scope {
        PanicScope::All => true,
        PanicScope::Member(name) => settings.directory.members.contains_key(name) || is_guest(name),
        PanicScope::Resource(name) => settings.directory.resources.contains_key(name),
    };
    anyhow::ensure!(known, "there is no {scope} in the configuration; nothing was closed");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn wait_until_closed(store: &Store, closer: Option<&Wired>) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    loop {
        if let Some(wired) = closer {
            wired.reconciler.reconcile_all_due().await?;
        }
        let stats = store.begin().await?.stats().await?;
        if stats.removals_due == 0 {
            println!("Every rule is gone.");
            return Ok(ExitCode::SUCCESS);
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
    let lifted = lift_panic(&store, options.scope().as_ref(), &operator(), &SystemRandom).await?;
    println!("Lifted {lifted}. Sessions that were closed stay closed; new ones may start.");
    list(&store).await
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn list(store: &Store) -> anyhow::Result<ExitCode> {
    let panics = panics_in_force(store).await?;
    if panics.is_empty() {
        println!("Nothing is closed by a panic.");
    }
    for panic in panics {
        let reason = panic.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        println!("{} closed by {} at {}{reason}", panic.scope, panic.by, panic.at);
    }
    Ok(ExitCode::SUCCESS)
}
