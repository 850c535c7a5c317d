//! `entryguard stop`: all that was named is asked to close before anything is waited for, and what fails keeps nothing else open.

use std::process::ExitCode;

use anyhow::{Context, bail};
use entryguard_core::command::Command;
use entryguard_core::domain::Span;
use entryguard_core::engine::Which;
use serde_json::{Value, json};

use super::api::{Api, ApiError};
use super::failure::{Failure, NotAllClosed};
use super::options::StopOptions;
use super::verbs::{print_sessions, understood, understood_words};
use super::waiting::Waiting;

type Failed = Vec<(String, anyhow::Error)>;

const NOTHING: &str = "No running session was closed.";

/// What the words mean; a word that is no session's id is told before anything is closed by the others.
pub fn asked(options: &StopOptions) -> anyhow::Result<Vec<Which>> {
    let which = |words: &str| match understood_words(&format!("stop {words}"))? {
        // An empty variable of a script's means no session, and not the only one.
        Command::Stop(Which::TheOnly) => {
            bail!(Failure::new("malformed", "a session's id is empty; write `entryguard stop 1a2b3c4d`"))
        }
        Command::Stop(which) => Ok(which),
        _ => bail!("write `entryguard stop 1a2b3c4d`"),
    };
    match (options.all, options.ids.as_slice()) {
        (true, _) => Ok(vec![Which::AllOwn]),
        (false, []) => Ok(vec![Which::TheOnly]),
        // `all sessions` is one thing, as in the chats.
        (false, ids) => match which(&ids.join(" ")) {
            Ok(Which::AllOwn) => Ok(vec![Which::AllOwn]),
            _ => ids.iter().map(|id| which(id)).collect(),
        },
    }
}

/// Closes, and waits where that is asked for.
pub async fn run(api: &Api, asked: &[Which], options: &StopOptions) -> anyhow::Result<ExitCode> {
    let (mut stopped, mut failed) = (Vec::new(), Failed::new());
    for which in asked {
        match close(api, which).await {
            Ok(sessions) => stopped.extend(sessions),
            Err(error) => failed.push((name(which), error.into())),
        }
    }
    if options.wait {
        until_closed(api, &mut stopped, options.timeout, &mut failed).await;
    }
    if asked.len() == 1
        && stopped.is_empty()
        && let Some((_, error)) = failed.pop()
    {
        return Err(error);
    }
    print_sessions(stopped, options.json, false, NOTHING)?;
    if failed.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(NotAllClosed(failed).into()) }
}

/// What is over already stays so: asked twice, it is stopped once. The only one is another one once it is over, so that has a key: asked
/// twice, no second one is stopped.
async fn close(api: &Api, which: &Which) -> Result<Vec<Value>, ApiError> {
    if let Which::Named(id) = which {
        return Ok(vec![api.post(&format!("sessions/{id}/stop"), &json!({})).await?]);
    }
    // The server knows which these are: a key that may close need not see, and closing is never counted.
    let mut answer = match which {
        Which::AllOwn => api.post("sessions/stop", &json!({ "all": true })).await?,
        _ => api.post_once("sessions/stop", &json!({ "all": false })).await?,
    };
    match answer["sessions"].take() {
        Value::Array(sessions) => Ok(sessions),
        _ => Err(ApiError::Senseless(api.server())),
    }
}

/// Waits for each of them in turn: they close at the same time.
async fn until_closed(api: &Api, stopped: &mut [Value], timeout: Span, failed: &mut Failed) {
    let mut waiting = Waiting::begin(api, timeout);
    for seen in stopped {
        let short = understood(seen).map(|session| session.short().to_owned()).unwrap_or_default();
        if let Err(error) = closed(&mut waiting, seen).await {
            failed.push((short, error.context("it is being closed, and that goes on")));
        }
    }
}

async fn closed(waiting: &mut Waiting<'_>, seen: &mut Value) -> anyhow::Result<()> {
    loop {
        let session = understood(seen)?;
        if session.status != "EXPIRING" {
            return Ok(());
        }
        if waiting.is_over() {
            let still = format!("it is EXPIRING still; see `entryguard show {}`", session.short());
            bail!(Failure::new("timed_out", still));
        }
        if let Some(news) = waiting.look(&session.id).await.context("it could not be watched")? {
            *seen = news;
        }
    }
}

fn name(which: &Which) -> String {
    match which {
        Which::Named(id) => id.clone(),
        Which::AllOwn => "all".to_owned(),
        Which::TheOnly => "the only one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[&str], all: bool) -> Vec<Which> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let timeout = Span::from_minutes(5);
        asked(&StopOptions { ids, all, wait: false, timeout, json: false }).unwrap()
    }

    #[test]
    fn stop_means_here_what_it_means_in_the_chats() {
        assert_eq!(of(&[], false), [Which::TheOnly]);
        for all in [&["all"][..], &["ALL"], &["everything"], &["all", "sessions"]] {
            assert_eq!(of(all, false), [Which::AllOwn], "{all:?}");
        }
        assert_eq!(of(&[], true), [Which::AllOwn]);
        let named = |id: &str| Which::Named(id.to_owned());
        let empty =
            StopOptions { ids: vec![String::new()], all: false, wait: false, timeout: Span::from_minutes(5), json: false };
        assert!(asked(&empty).is_err());
        assert_eq!(of(&["1a2b3c4d", "5e6f7a8b"], false), [named("1a2b3c4d"), named("5e6f7a8b")]);
    }
}
