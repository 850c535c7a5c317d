//! What each of the client's commands does: asks, and shows the answer.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use entryguard_core::command::{Command, CommandError};
use entryguard_core::domain::{HostAddress, Span};
use entryguard_core::engine::Which;
use entryguard_core::reply::gathered;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Access;
use super::api::{Api, at_a_terminal};
use super::failure::{self, Failure};
use super::options::{ClientVerb, ExtendOptions, ListOptions, ShowOptions, StartOptions, StopOptions};
use super::progress::Progress;
use super::session::{Page, Rule, Session, said_of_all};
use super::waiting::Waiting;
use super::{shown, stop};

/// Sessions asked for at once.
const PAGE: usize = 100;

/// Does what was asked for. Whoever asked for JSON is told in JSON why it was not done, too.
pub async fn run(verb: ClientVerb) -> anyhow::Result<ExitCode> {
    let json = verb.json();
    match carry_out(verb).await {
        Err(error) if json => {
            let _ = writeln!(std::io::stderr(), "{}", failure::as_json(&error));
            Ok(ExitCode::FAILURE)
        }
        done => done,
    }
}

async fn carry_out(verb: ClientVerb) -> anyhow::Result<ExitCode> {
    // Wrong words are told before anybody is asked.
    let verb = Asked::from(verb)?;
    let api = Api::new(Access::find()?);
    match verb {
        Asked::Start(body, options) => start(&api, &body, &options).await,
        Asked::Extend(which, by, json) => extend(&api, which, by, json).await,
        Asked::Stop(sessions, options) => stop::run(&api, &sessions, &options).await,
        Asked::List(options) => list(&api, &options).await,
        Asked::Show(options) => show(&api, &options).await,
        Asked::Whoami { json } => whoami(&api, json).await,
    }
}

/// What was asked for, once its words are understood.
enum Asked {
    Start(Value, StartOptions),
    Extend(Which, Option<Span>, bool),
    Stop(Vec<Which>, StopOptions),
    List(ListOptions),
    Show(ShowOptions),
    Whoami { json: bool },
}

impl Asked {
    fn from(verb: ClientVerb) -> anyhow::Result<Self> {
        Ok(match verb {
            ClientVerb::Start(options) => Self::Start(start_body(&options)?, options),
            ClientVerb::Extend(ExtendOptions { words, json }) => {
                match understood_words(&format!("extend {}", words.join(" ")))? {
                    Command::Extend { which, by } => Self::Extend(which, by, json),
                    _ => bail!("write `entryguard extend 1a2b3c4d 2h`"),
                }
            }
            ClientVerb::Stop(options) => Self::Stop(stop::asked(&options)?, options),
            ClientVerb::List(options) => Self::List(options),
            ClientVerb::Show(options) => Self::Show(options),
            ClientVerb::Whoami { json } => Self::Whoami { json },
        })
    }
}

/// The words as the chats understand them; what is wrong with them is said as one types it here.
pub(super) fn understood_words(text: &str) -> anyhow::Result<Command> {
    text.parse().map_err(|error: CommandError| Failure::new("malformed", at_a_terminal(&error.to_string())).into())
}

/// The words as the chats understand them, and the options beside them.
fn start_body(options: &StartOptions) -> anyhow::Result<Value> {
    let Command::Start { duration, addresses, reason, break_glass } =
        understood_words(&format!("start {}", options.words.join(" ")))?
    else {
        bail!("write `entryguard start 2h for the deploy`");
    };
    let addresses: Vec<HostAddress> = addresses.into_iter().chain(options.ip.iter().copied()).collect();
    let of = |is_v4: bool| addresses.iter().filter(|address| address.ip().is_ipv4() == is_v4).collect::<Vec<_>>();
    let one = |is_v4| match of(is_v4).as_slice() {
        [] => Ok(None),
        [address] => Ok(Some(address.to_string())),
        _ => bail!(Failure::new("malformed", "a session has one IPv4 and one IPv6 address at the most")),
    };
    Ok(json!({
        "duration": duration.map(|duration| duration.to_string()),
        "reason": options.reason.clone().or(reason),
        "ipv4Address": one(true)?,
        "ipv6Address": one(false)?,
        "breakGlass": break_glass || options.break_glass,
    }))
}

async fn start(api: &Api, body: &Value, options: &StartOptions) -> anyhow::Result<ExitCode> {
    let started = api.post_once("sessions", body).await?;
    if !options.wait {
        print_session(&started, options.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let ended = follow(api, started, options.timeout, options.json).await?;
    let session = understood(&ended)?;
    print_session(&ended, options.json)?;
    match session.status.as_str() {
        "ACTIVE" => Ok(ExitCode::SUCCESS),
        "REQUESTED" | "PENDING" => {
            let (id, status, timeout) = (session.short(), &session.status, options.timeout);
            let what = format!("session {id} is {status} after {timeout}");
            let next = format!("it goes on: see `entryguard show {id}`, or end it with `entryguard stop {id}`");
            bail!(Failure::new("timed_out", format!("{what}; {next}")))
        }
        _ => bail!(Failure::new("not_open", what_failed(&session))),
    }
}

/// Shows how the session comes about, until it is what it will be or the time is up.
async fn follow(api: &Api, started: Value, timeout: Span, quietly: bool) -> anyhow::Result<Value> {
    let (mut waiting, mut progress, mut seen) = (Waiting::begin(api, timeout), Progress::new(), started);
    loop {
        let session = understood(&seen)?;
        if !quietly {
            progress.show(&session);
        }
        if !session.is_on_its_way() || waiting.is_over() {
            return Ok(seen);
        }
        let news = tokio::select! {
            news = waiting.look(&session.id) => news.with_context(|| format!("session {} goes on", session.short()))?,
            _ = tokio::signal::ctrl_c() => {
                let end_it = format!("end it with `entryguard stop {}`", session.short());
                bail!(Failure::new("interrupted", format!("interrupted; the session goes on: {end_it}")))
            }
        };
        seen = news.unwrap_or(seen);
    }
}

fn what_failed(session: &Session) -> String {
    let failed = session.resource_ips.iter().filter(|rule| rule.status == "FAILED");
    let why = |rule: &&Rule| format!("{}: {}", rule.resource_name, rule.error_message.as_deref().unwrap_or("nobody said why"));
    let of_group = |group: Vec<&Rule>| match said_of_all(&group) {
        Some((_, words)) => vec![words],
        None => group.iter().map(why).collect(),
    };
    let failed: Vec<_> = gathered(failed, Rule::likeness).into_iter().flat_map(of_group).collect();
    let which = if failed.is_empty() { String::new() } else { format!(" ({})", failed.join("; ")) };
    format!("session {} is {}{which}; ask whoever runs the server", session.short(), session.status)
}

async fn extend(api: &Api, which: Which, by: Option<Span>, json: bool) -> anyhow::Result<ExitCode> {
    let id = match which {
        Which::Named(id) => id,
        Which::TheOnly | Which::AllOwn => the_only(api).await?,
    };
    let body = json!({ "duration": by.map(|by| by.to_string()) });
    let extended = api.post_unrepeated(&format!("sessions/{id}/extend"), &body).await?;
    print_session(&extended, json)?;
    if let Some(limit) = extended["cappedBy"].as_str().filter(|_| !json) {
        say(&format!("That is as long as it may be (set by {limit})."));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(api: &Api, options: &ListOptions) -> anyhow::Result<ExitCode> {
    let state = if options.all { "all" } else { "unclosed" };
    let sessions = pages(api, if options.everybody { "sessions/admin" } else { "sessions" }, state).await?;
    let nothing = if options.all { "No session yet." } else { "No running session. `entryguard start` opens one." };
    print_sessions(sessions, options.json, options.everybody, nothing)?;
    Ok(ExitCode::SUCCESS)
}

async fn show(api: &Api, options: &ShowOptions) -> anyhow::Result<ExitCode> {
    let id = match &options.id {
        Some(id) => id.clone(),
        None => the_only(api).await?,
    };
    print_session(&api.get(&format!("sessions/{id}")).await?, options.json)?;
    Ok(ExitCode::SUCCESS)
}

async fn whoami(api: &Api, json: bool) -> anyhow::Result<ExitCode> {
    let me = api.get("whoami").await?;
    if json {
        say(&serde_json::to_string_pretty(&me)?);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |pointer: &str| me.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    let admin = if me["admin"] == true { ", an administrator" } else { "" };
    say(&format!("You are {}{admin} ({}) at {}.", text("/member"), text("/identity"), api.server()));
    say(&format!("Your sessions may last {} (set by {}).", text("/limit/longest"), text("/limit/setBy")));
    Ok(ExitCode::SUCCESS)
}

async fn live(api: &Api) -> anyhow::Result<Vec<Session>> {
    pages(api, "sessions", "live").await?.iter().map(understood).collect()
}

/// The one that is meant where none is named.
async fn the_only(api: &Api) -> anyhow::Result<String> {
    let live = live(api).await?;
    match live.as_slice() {
        [] => bail!(Failure::new("session_unknown", "you have no running session; `entryguard start` opens one")),
        [session] => Ok(session.id.clone()),
        several => {
            let ids: Vec<_> = several.iter().map(Session::short).collect();
            let say_which = format!("you have more than one running session: say which ({})", ids.join(", "));
            bail!(Failure::new("session_ambiguous", say_which))
        }
    }
}

async fn pages(api: &Api, path: &str, state: &str) -> anyhow::Result<Vec<Value>> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let after = cursor.map(|cursor: String| format!("&cursor={cursor}")).unwrap_or_default();
        let page = api.get(&format!("{path}?state={state}&limit={PAGE}{after}")).await?;
        let page: Page = serde_json::from_value(page).context("the server's list makes no sense to this version")?;
        all.extend(page.sessions);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
}

/// A session that the server told of.
pub(super) fn understood(session: &Value) -> anyhow::Result<Session> {
    Session::deserialize(session).context("the server's answer makes no sense to this version")
}

fn print_session(session: &Value, json: bool) -> anyhow::Result<()> {
    match json {
        true => say(&serde_json::to_string_pretty(session)?),
        false => say(&shown::session(&understood(session)?)),
    }
    Ok(())
}

/// Prints sessions, or that there are none.
pub(super) fn print_sessions(sessions: Vec<Value>, json: bool, with_members: bool, nothing: &str) -> anyhow::Result<()> {
    if json {
        say(&serde_json::to_string_pretty(&json!({ "sessions": sessions }))?);
        return Ok(());
    }
    let sessions: Vec<_> = sessions.iter().map(understood).collect::<anyhow::Result<_>>()?;
    say(&if sessions.is_empty() { nothing.to_owned() } else { shown::sessions(&sessions, with_members) });
    Ok(())
}

/// Prints a line of output. Whoever stopped reading wants no error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
