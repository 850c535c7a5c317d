//! `entryguard sweep`: compares the clouds with what is wanted, or closes what is overdue by the rules' own word.

use std::process::ExitCode;

use anyhow::Context;
use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::config::Settings;
use entryguard_core::domain::DeploymentId;
use entryguard_core::reconcile::{SweepReport, close_overdue};
use serde_json::{Value, json};

use crate::cli::SweepOptions;
use crate::wiring::{Wired, allowlists};

/// Sweeps, prints, and fails if a resource could not be swept.
pub async fn run(options: SweepOptions) -> anyhow::Result<ExitCode> {
    let (findings, complete) = if options.expired { expired(&options).await? } else { compared(&options).await? };
    print(&findings, &options)?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn expired(options: &SweepOptions) -> anyhow::Result<(Vec<Value>, bool)> {
    let directory = Settings::read_directory(&options.config.config)?;
    let owner = options.owner.clone().map(DeploymentId::from_stored);
    // It only removes, so it marks nothing as its own.
    let allowlists = allowlists(&directory, owner.as_ref().unwrap_or(&DeploymentId::from_stored("sweep"))).await?;
    let swept = close_overdue(&allowlists, SystemClock.now(), owner.as_ref(), options.dry_run).await;
    let complete = swept.iter().all(|(_, found)| found.is_ok());
    let mut findings = Vec::new();
    for (resource, found) in swept {
        match found {
            Err(error) => findings.push(json!({ "resource": resource.as_str(), "error": error.to_string() })),
            Ok(rules) => findings.extend(rules.iter().map(|rule| {
                json!({
                    "resource": resource.as_str(), "kind": "overdue", "source": rule.source.to_string(),
                    "expiredAt": rule.expired_at.to_string(),
                })
            })),
        }
    }
    Ok((findings, complete))
}

async fn compared(options: &SweepOptions) -> anyhow::Result<(Vec<Value>, bool)> {
    let settings = Settings::read(&options.config.config)?;
    let wired = Wired::build(&settings.database, settings.directory).await.context(
        "a sweep needs the database for itself where it is SQLite (a running server sweeps by its schedule; `--expired` needs none)",
    )?;
    if !options.dry_run {
        // What a dead server left in flight is due, and what ran out meanwhile is wanted no more.
        wired.reconciler.resume().await?;
    }
    let report = wired.reconciler.sweep(options.dry_run).await?;
    if !options.dry_run {
        // What the sweep asked for is done before the command ends.
        while wired.reconciler.reconcile_one().await? {}
    }
    wired.store.close().await;
    Ok((findings_of(&report), report.is_complete()))
}

fn findings_of(report: &SweepReport) -> Vec<Value> {
    let mut findings = Vec::new();
    for resource in &report.resources {
        let name = resource.resource.as_str();
        let orphan = |rule: &entryguard_core::provider::SeenRule| json!({ "resource": name, "kind": "orphan", "source": rule.source.to_string(), "providerRuleId": rule.id.as_str() });
        findings.extend(resource.orphans.iter().map(orphan));
        let missing = |opening: &entryguard_core::domain::Opening| json!({ "resource": name, "kind": "missing", "source": opening.address.cidr() });
        findings.extend(resource.missing.iter().map(missing));
        findings.extend(resource.error.iter().map(|error| json!({ "resource": name, "error": error })));
    }
    findings
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print(findings: &[Value], options: &SweepOptions) -> anyhow::Result<()> {
    if options.json {
        println!("{}", serde_json::to_string_pretty(&json!({ "dryRun": options.dry_run, "findings": findings }))?);
        return Ok(());
    }
    if findings.is_empty() {
        println!("Nothing to do: the clouds are as they should be.");
    }
    for finding in findings {
        let text = |key: &str| finding.get(key).and_then(Value::as_str);
        let resource = text("resource").unwrap_or_default();
        let done = |past: &'static str, future: &'static str| if options.dry_run { future } else { past };
        match (text("kind"), text("error")) {
            (_, Some(error)) => println!("{resource}: not swept: {error}"),
            (Some("missing"), _) => {
                println!(
                    "{resource}: {} {}, which had vanished",
                    done("made anew", "would make anew"),
                    text("source").unwrap_or_default()
                );
            }
            (Some(kind), _) => {
                println!("{resource}: {} {} ({kind})", done("removed", "would remove"), text("source").unwrap_or_default());
            }
            (None, None) => {}
        }
    }
    Ok(())
}
