//! `entryguard clock`: shows the time that rules every decision, and sets it back to a clock that was ahead; beside a running server or
//! without one.

use std::process::ExitCode;
use std::sync::Arc;

use entryguard_core::clock::SystemClock;
use entryguard_core::config::Settings;
use entryguard_core::domain::Actor;
use entryguard_core::engine::{ClockState, accept_clock, clock_state};
use entryguard_core::random::SystemRandom;
use entryguard_core::store::{Store, StoreUrl};
use serde_json::json;

use crate::cli::{AcceptClockOptions, ClockVerb, ListOptions};
use crate::operator::operator;

/// Shows or accepts.
pub async fn run(verb: ClockVerb) -> anyhow::Result<ExitCode> {
    match verb {
        ClockVerb::Show(options) => show(&options).await?,
        ClockVerb::Accept(options) => accept(&options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn show(options: &ListOptions) -> anyhow::Result<()> {
    let store = open(&Settings::read_database(&options.config.config)?).await?;
    let state = clock_state(&store).await?;
    store.close().await;
    match options.json {
        true => println!("{:#}", in_json(&state)),
        false => println!("{}", in_words(&state)),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn accept(options: &AcceptClockOptions) -> anyhow::Result<()> {
    let store = open(&Settings::read_database(&options.config.config)?).await?;
    let accepted = accept_clock(&store, options.end_sessions, &Actor::Operator(operator()), &SystemRandom).await?;
    store.close().await;
    if options.json {
        let (from, to) = (accepted.from.to_string(), accepted.to.to_string());
        println!("{:#}", json!({ "from": from, "to": to, "sessionsEnded": accepted.sessions_ended }));
        return Ok(());
    }
    println!("The time was {}, and is {} now. Sessions can start again.", accepted.from, accepted.to);
    if accepted.sessions_ended > 0 {
        println!(
            "Sessions that this ended: {}. A running server removes their rules; where none runs, start it.",
            accepted.sessions_ended
        );
    }
    Ok(())
}

async fn open(database: &StoreUrl) -> anyhow::Result<Store> {
    Ok(Store::open_beside(database, Arc::new(SystemClock)).await?)
}

fn in_json(state: &ClockState) -> serde_json::Value {
    json!({
        "time": state.time.to_string(), "clock": state.clock.to_string(), "behindSeconds": state.behind().as_millis() / 1000,
        "opens": !state.is_behind(), "liveSessions": state.live_sessions,
    })
}

fn in_words(state: &ClockState) -> String {
    let ClockState { time, clock, live_sessions } = state;
    match state.is_behind() {
        false => format!("The time is {time}. The clock agrees."),
        true => format!(
            "The time is {time}, and the clock is {} behind it ({clock}), so nothing is opened. Everything closes by the time.\n\
             If the clock is wrong, set it right (NTP). If it is right now and was ahead before, run `entryguard clock accept`; live \
             sessions, which that ends: {live_sessions}.",
            state.behind()
        ),
    }
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{Span, Timestamp};

    use super::*;

    #[test]
    fn it_says_what_the_time_is_and_what_to_do_where_the_clock_is_behind() {
        let time = Timestamp::from_millis(1_800_000_000_000);
        let right = ClockState { time, clock: time, live_sessions: 3 };
        assert_eq!(in_words(&right), "The time is 2027-01-15T08:00:00Z. The clock agrees.");
        assert_eq!(in_json(&right)["opens"], true);
        let behind = ClockState { clock: time.minus(Span::from_hours(1)), ..right };
        insta::assert_snapshot!(in_words(&behind), @r"
        The time is 2027-01-15T08:00:00Z, and the clock is 1h behind it (2027-01-15T07:00:00Z), so nothing is opened. Everything closes by the time.
        If the clock is wrong, set it right (NTP). If it is right now and was ahead before, run `entryguard clock accept`; live sessions, which that ends: 3.
        ");
        insta::assert_snapshot!(in_json(&behind).to_string(), @r#"{"behindSeconds":3600,"clock":"2027-01-15T07:00:00Z","liveSessions":3,"opens":false,"time":"2027-01-15T08:00:00Z"}"#);
    }
}
