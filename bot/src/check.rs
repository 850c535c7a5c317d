//! `entryguard check`: is the configuration sound, and does every resource answer?

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use entryguard_core::clock::SystemClock;
use entryguard_core::config::{DiscordSettings, Settings, SlackSettings};
use entryguard_core::domain::{Changes, DeploymentId, Directory, Surface};
use entryguard_core::engine::losses_by;
use entryguard_core::provider::{Allowlist, Health};
use entryguard_core::store::{Store, StoreError, StoreUrl};
use serde::Serialize;

use crate::chat::AppHealth;
use crate::cli::CheckOptions;
use crate::wiring::allowlists;

/// How long one resource may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    resource: String,
    provider: &'static str,
    id: String,
    health: &'static str,
    summary: String,
    warnings: Vec<String>,
    keeps_open_connections: bool,
}

/// Checks, prints, and fails if a resource is unhealthy.
pub async fn run(options: CheckOptions) -> anyhow::Result<ExitCode> {
    // The whole file, secrets and all: what `serve` would refuse is refused here.
    let Settings { directory, slack, discord, server, database, warnings: of_file, .. } = Settings::read(&options.config.config)?;
    let mut rows = Vec::new();
    let allowlists = match options.offline {
        true => entryguard_core::provider::Allowlists::new(),
        // Looking marks nothing, so no deployment has to be known.
        false => allowlists(&directory, &DeploymentId::from_stored("check")).await?,
    };
    for (name, resource) in &directory.resources {
        let (health, summary, warnings) = match allowlists.get(name) {
            None => ("Unverified", "not asked".to_owned(), Vec::new()),
            Some(allowlist) => verify(allowlist).await,
        };
        let provider = resource.kind_words().0;
        let keeps_open_connections = resource.kind.keeps_open_connections();
        let (resource, id) = (name.to_string(), resource.provider_id());
        rows.push(Row { resource, provider, id, health, summary, warnings, keeps_open_connections });
    }
    rows.extend(odd(of_file));
    if !options.offline {
        probe_healthy(&database, &directory, &rows).await;
    }
    rows.extend(broken_unheard(&directory, slack.as_ref(), discord.as_ref()));
    if let Some(slack) = slack.filter(|_| !options.offline) {
        rows.push(app_row("slack", slack.team_id.clone(), crate::slack::check::verify(&slack).await));
    }
    if let Some(discord) = discord.filter(|_| !options.offline) {
        let health = crate::discord::check::verify(&discord, &server.public_url).await;
        rows.push(app_row("discord", discord.guild_id.to_string(), health));
    }
    let (mut moved, mut changes) = (BTreeSet::new(), None);
    if let Some(path) = &options.against {
        let before = Settings::read(path).with_context(|| format!("--against {}", path.display()))?.directory;
        moved = before.moved_in(&directory);
        changes = Some(changes_row(&Changes::between(&before, &directory)));
    }
    rows.extend(changes);
    if !options.offline {
        // What means another place is closed at the old one.
        rows.extend(what_a_reload_would_take(&database, &directory.without(&moved)).await);
    }
    print(&rows, options.json)?;
    Ok(if rows.iter().any(|row| row.health == "Invalid") { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the file says that is accepted, and hardly meant.
fn odd(warnings: Vec<String>) -> Option<Row> {
    if warnings.is_empty() {
        return None;
    }
    let many = if warnings.len() == 1 {
        "1 key to look at again".to_owned()
    } else {
        format!("{} keys to look at again", warnings.len())
    };
    Some(Row {
        resource: "[configuration]".to_owned(),
        provider: "",
        id: String::new(),
        health: "Valid",
        summary: many,
        warnings,
        keeps_open_connections: false,
    })
}

/// Where somebody can break the glass and nobody would hear of it.
fn broken_unheard(directory: &Directory, slack: Option<&SlackSettings>, discord: Option<&DiscordSettings>) -> Option<Row> {
    let of_slack = slack.map(|slack| (Surface::Slack, slack.report_channel.is_some()));
    let of_discord = discord.map(|discord| (Surface::Discord, discord.report_channel.is_some()));
    let chats: Vec<_> = of_slack.into_iter().chain(of_discord).collect();
    let surfaces: Vec<_> = chats.iter().map(|(surface, _)| *surface).collect();
    let who: Vec<_> = directory.unheard(&surfaces).into_iter().map(|name| name.as_str()).collect();
    if who.is_empty() || chats.iter().any(|(_, reports)| *reports) {
        return None;
    }
    let warning = "nobody would hear of it: name a report_channel, or give an approver or administrator an identity in a chat";
    Some(Row {
        resource: "[break_glass]".to_owned(),
        provider: "role",
        id: who.join(", "),
        health: "Valid",
        summary: "may start without the approval".to_owned(),
        warnings: vec![warning.to_owned()],
        keeps_open_connections: false,
    })
}

/// A resource that answers is tried by the server at once, where it refused additions before. Without a database nothing waits; one that
/// cannot be asked is reported with the sessions.
async fn probe_healthy(database: &StoreUrl, directory: &Directory, rows: &[Row]) {
    let Ok(store) = Store::open_beside(database, Arc::new(SystemClock)).await else { return };
    let is_healthy = |name: &str| rows.iter().any(|row| row.resource == name && row.health == "Valid");
    let healthy: Vec<_> = directory.resources.keys().filter(|name| is_healthy(name.as_str())).collect();
    let probed = async {
        let mut tx = store.begin().await?;
        for name in healthy {
            tx.probe_now(name).await?;
        }
        tx.commit().await
    };
    let outcome: Result<(), StoreError> = probed.await;
    if let Err(error) = outcome {
        tracing::warn!(%error, "what waits for a resource is not tried at once; it is tried within minutes");
    }
    store.close().await;
}

/// What the running sessions would lose if the server read this file now; nothing where that is nothing.
async fn what_a_reload_would_take(database: &StoreUrl, directory: &Directory) -> Option<Row> {
    let store = match Store::open_beside(database, Arc::new(SystemClock)).await {
        Ok(store) => store,
        Err(StoreError::NoDatabase(_) | StoreError::NoTables) => return None,
        Err(error) => return Some(sessions_row("Unverified", format!("the database cannot be asked: {error}"), Vec::new())),
    };
    let losses = losses_by(&store, directory).await;
    store.close().await;
    Some(match losses {
        Ok(losses) if losses.is_empty() => return None,
        Ok(losses) => {
            let many = if losses.len() == 1 { "session" } else { "sessions" };
            let summary = format!("a reload would change {} {many}", losses.len());
            sessions_row("Valid", summary, losses.iter().map(|loss| format!("a reload: {loss}")).collect())
        }
        Err(error) => sessions_row("Unverified", format!("the database cannot be asked: {error}"), Vec::new()),
    })
}

/// What is different from the file that the server goes by.
fn changes_row(changes: &Changes) -> Row {
    let lines: Vec<_> = changes.lines().iter().map(|line| format!("a reload: {line}")).collect();
    let summary = match lines.len() {
        0 => "the same".to_owned(),
        1 => "1 difference".to_owned(),
        many => format!("{many} differences"),
    };
    Row { resource: "[changes]".to_owned(), ..sessions_row("Valid", summary, lines) }
}

fn sessions_row(health: &'static str, summary: String, warnings: Vec<String>) -> Row {
    let (resource, id) = ("[sessions]".to_owned(), String::new());
    Row { resource, provider: "", id, health, summary, warnings, keeps_open_connections: false }
}

/// A chat's app, in a row of its own.
fn app_row(provider: &'static str, id: String, health: AppHealth) -> Row {
    let (health, summary, warnings) = match health {
        AppHealth::Valid(summary, warnings) => ("Valid", summary, warnings),
        AppHealth::Invalid(why) => ("Invalid", why, Vec::new()),
        AppHealth::Unverified(why) => ("Unverified", why, Vec::new()),
    };
    let resource = format!("[{provider}]");
    Row { resource, provider, id, health, summary, warnings, keeps_open_connections: false }
}

async fn verify(allowlist: &Arc<dyn Allowlist>) -> (&'static str, String, Vec<String>) {
    match tokio::time::timeout(PATIENCE, allowlist.verify()).await {
        Ok(Ok(Health { summary, warnings })) => ("Valid", summary, warnings),
        Ok(Err(error)) => ("Invalid", error.to_string(), Vec::new()),
        Err(_) => ("Invalid", format!("no answer within {} s", PATIENCE.as_secs()), Vec::new()),
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print(rows: &[Row], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(rows)?);
        return Ok(());
    }
    if rows.is_empty() {
        println!("The configuration is sound. It has no resource yet.");
    }
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).len()).max().unwrap_or_default();
    let (names, ids) = (width(|row| &row.resource), width(|row| &row.id));
    let lasting: Vec<_> = rows.iter().filter(|row| row.keeps_open_connections).map(|row| row.resource.as_str()).collect();
    for row in rows {
        println!("{:names$}  {:4}  {:ids$}  {:10}  {}", row.resource, row.provider, row.id, row.health, row.summary);
        for warning in &row.warnings {
            println!("{:names$}  warning: {warning}", "");
        }
    }
    if !lasting.is_empty() {
        println!(
            "Open connections survive a removed rule on {}: AWS tracks them, by default for up to 5 days (docs/operations.md).",
            lasting.join(", ")
        );
    }
    Ok(())
}
