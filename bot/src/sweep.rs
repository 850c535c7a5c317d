//! `entryguard sweep`: compares the clouds with what is wanted, or closes by the tags on the rules what is overdue, or everything.

use std::process::ExitCode;

use anyhow::Context;
use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::config::Settings;
use entryguard_core::domain::{DeploymentId, DriftKind, Opening};
use entryguard_core::provider::SeenRule;
use entryguard_core::reconcile::{ByTags, ResourceSweep, SweepReport, close_by_tags};
use serde_json::{Value, json};

use crate::cli::SweepOptions;
use crate::wiring::{Wired, allowlists, groups_of_the_environment};

/// Sweeps, prints, and fails if a resource could not be swept.
pub async fn run(options: SweepOptions) -> anyhow::Result<ExitCode> {
    let which = if options.all { Some(ByTags::All) } else { options.expired.then(|| ByTags::Overdue(SystemClock.now())) };
    let (findings, complete) = match which {
        Some(which) => by_tags(which, &options).await?,
        None => compared(&options).await?,
    };
    print(&findings, &options)?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn by_tags(which: ByTags, options: &SweepOptions) -> anyhow::Result<(Vec<Value>, bool)> {
    let owner = options.owner.clone().map(DeploymentId::from_stored);
    // It only removes, so it marks nothing as its own.
    let remover = owner.clone().unwrap_or_else(|| DeploymentId::from_stored("sweep"));
    let mut allowlists = match (options.security_group.as_slice(), &options.region) {
        (groups @ [_, ..], Some(region)) => groups_of_the_environment(groups, region, &remover).await?,
        _ => allowlists(&Settings::read_directory(&options.config.config)?, &remover).await?,
    };
    if let Some(unknown) = options.resource.iter().find(|name| allowlists.keys().all(|known| known.as_str() != name.as_str())) {
        anyhow::bail!("there is no resource {unknown} in the configuration");
    }
    if !options.resource.is_empty() {
        allowlists.retain(|name, _| options.resource.iter().any(|wanted| wanted == name.as_str()));
    }
    let swept = close_by_tags(&allowlists, which, owner.as_ref(), options.dry_run).await;
    let kind = match which {
        ByTags::Overdue(_) => "overdue",
        ByTags::All => "tagged",
    };
    let complete = swept.iter().all(|(_, found)| found.is_ok());
    let mut findings = Vec::new();
    for (resource, found) in swept {
        match found {
            Err(error) => findings.push(json!({ "resource": resource.as_str(), "error": error.to_string() })),
            Ok(rules) => findings.extend(rules.iter().map(|rule| {
                json!({
                    "resource": resource.as_str(), "kind": kind, "source": rule.source.to_string(),
                    "expiresAt": rule.expires_at.map(|end| end.to_string()),
                })
            })),
        }
    }
    Ok((findings, complete))
}

async fn compared(options: &SweepOptions) -> anyhow::Result<(Vec<Value>, bool)> {
    let settings = Settings::read(&options.config.config)?;
    let wired = Wired::build(&settings.database, settings.directory, settings.later_reads).await.context(
        "a sweep needs the database for itself where it is SQLite (a running server sweeps by its schedule; `--expired` needs none)",
    )?;
    if !options.dry_run {
        // What a dead server left in flight is due, and what ran out meanwhile is wanted no more.
        wired.reconciler.resume().await?;
    }
    let report = wired.reconciler.sweep(options.dry_run).await?;
    if !options.dry_run {
        // What the sweep asked for is done, and what it doubts is certain, before the command ends.
        wired.reconciler.reconcile_until_certain().await?;
    }
    wired.store.close().await;
    Ok((findings_of(&report), report.is_complete()))
}

fn findings_of(report: &SweepReport) -> Vec<Value> {
    let mut findings = Vec::new();
    for ResourceSweep { resource, found, held_back, error, .. } in &report.resources {
        let name = resource.as_str();
        let rules = |kind: DriftKind, rules: &[SeenRule]| -> Vec<Value> {
            let finding = |rule: &SeenRule| json!({ "resource": name, "kind": kind.as_str(), "source": rule.source.to_string(), "providerRuleId": rule.id.as_str() });
            rules.iter().map(finding).collect()
        };
        let missing = |opening: &Opening| json!({ "resource": name, "kind": DriftKind::Missing.as_str(), "source": opening.address.cidr() });
        findings.extend(rules(DriftKind::Orphan, &found.orphans));
        findings.extend(rules(DriftKind::Widened, &found.widened));
        findings.extend(found.missing.iter().map(missing));
        findings.extend(rules(DriftKind::Unmarked, &found.unmarked));
        findings.extend(rules(DriftKind::HeldBack, held_back));
        findings.extend(error.iter().map(|error| json!({ "resource": name, "error": error })));
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
        println!("{}", sentence(finding, options.dry_run));
    }
    Ok(())
}

fn sentence(finding: &Value, dry_run: bool) -> String {
    let text = |key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default();
    let (resource, source) = (text("resource"), text("source"));
    if let Some(error) = finding.get("error").and_then(Value::as_str) {
        return format!("{resource}: not swept: {error}");
    }
    let done = |past: &'static str, future: &'static str| if dry_run { future } else { past };
    match DriftKind::parse(text("kind")) {
        Some(DriftKind::Missing) => format!(
            "{resource}: {source} was not there; {}",
            done("looked again, and added what is gone", "would look again, and add it")
        ),
        Some(DriftKind::Unmarked) => {
            format!("{resource}: {source} is ours and lost its tags; the next sweep replaces it if they stay away")
        }
        Some(DriftKind::HeldBack) => {
            format!("{resource}: {source} is left for the next sweep to confirm, because there are many")
        }
        _ => format!("{resource}: {} {source} ({})", done("removed", "would remove"), text("kind")),
    }
}
