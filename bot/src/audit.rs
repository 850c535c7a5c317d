//! `entryguard audit`: prints the log as JSON lines, and checks its chain. Both work beside a running server.

mod line;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use entryguard_core::clock::SystemClock;
use entryguard_core::config::Settings;
use entryguard_core::domain::{Anchor, ChainBroken, ChainCheck, Timestamp};
use entryguard_core::store::Store;
use serde_json::json;

use crate::cli::{AuditVerb, ConfigOptions, ExportOptions, VerifyOptions};
use line::Line;

/// Entries read at once.
const PAGE: u32 = 500;

/// Exports or verifies.
pub async fn run(verb: AuditVerb) -> anyhow::Result<ExitCode> {
    match verb {
        AuditVerb::Export(options) => export(&options).await,
        AuditVerb::Verify(options) => verify(&options).await,
    }
}

async fn open(config: &ConfigOptions) -> anyhow::Result<Store> {
    let settings = Settings::read(&config.config)?;
    Ok(Store::open_beside(&settings.database, Arc::new(SystemClock)).await?)
}

async fn export(options: &ExportOptions) -> anyhow::Result<ExitCode> {
    let store = open(&options.config).await?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut after = 0;
    loop {
        let page = store.begin().await?.audit_page(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for event in page {
            let at = Timestamp::from_millis(event.at);
            if options.since.is_some_and(|since| at < since.0) || options.until.is_some_and(|until| at >= until.0) {
                continue;
            }
            serde_json::to_writer(&mut out, &Line::of(&event)?)?;
            match writeln!(out) {
                // Whoever reads has read enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                written => written?,
            }
        }
    }
    match out.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn verify(options: &VerifyOptions) -> anyhow::Result<ExitCode> {
    let expected = options.expect.clone().map(|anchor| anchor.0);
    let checked = match &options.file {
        Some(path) => check_file(path, expected)?,
        None => check_database(&open(&options.config).await?, expected).await?,
    };
    match checked {
        Ok((entries, last)) => {
            print(&json!({ "sound": true, "entries": entries, "seq": last.seq, "hash": last.hash }), options.json);
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) if options.json => {
            print(&json!({ "sound": false, "error": broken.to_string() }), true);
            Ok(ExitCode::FAILURE)
        }
        Err(broken) => anyhow::bail!(
            "the audit log is broken: {broken}. Keep the database as it is, compare it with a backup or an export, and find out who may write to it"
        ),
    }
}

type Checked = Result<(u64, Anchor), ChainBroken>;

async fn check_database(store: &Store, expected: Option<Anchor>) -> anyhow::Result<Checked> {
    // The head first: what is written meanwhile comes after it, and is looked at up to the head alone.
    let head = store.begin().await?.audit_head().await?;
    let mut check = ChainCheck::new(head.chained_from, "", expected);
    let mut after = head.chained_from - 1;
    while after < head.last.seq {
        let page = store.begin().await?.audit_page(after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for event in page.iter().take_while(|event| event.seq <= head.last.seq) {
            if let Err(broken) = check.next(event) {
                return Ok(Err(broken));
            }
        }
        after = page.last().map_or(after, |last| last.seq);
    }
    Ok(check.end(Some(&head.last)))
}

/// An export says nothing of its head: whether its end was cut off, only an anchor that was noted down can tell.
fn check_file(path: &Path, expected: Option<Anchor>) -> anyhow::Result<Checked> {
    let reader: Box<dyn BufRead> = match path.to_str() {
        Some("-") => Box::new(BufReader::new(io::stdin())),
        _ => Box::new(BufReader::new(File::open(path).with_context(|| format!("{} cannot be read", path.display()))?)),
    };
    let mut check: Option<ChainCheck> = None;
    for (number, text) in reader.lines().enumerate() {
        let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
        let line: Line = serde_json::from_str(&text).with_context(|| format!("line {} is no entry of an export", number + 1))?;
        let event = line.into_event();
        if event.hash.is_empty() && check.is_none() {
            continue; // from before the chain
        }
        let check = check.get_or_insert_with(|| ChainCheck::new(event.seq, &event.prev_hash, expected.clone()));
        if let Err(broken) = check.next(&event) {
            return Ok(Err(broken));
        }
    }
    let check = check.context("there is no entry with a hash in it")?;
    Ok(check.end(None))
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print(found: &serde_json::Value, json: bool) {
    if json {
        println!("{found}");
    } else {
        let (entries, seq, hash) = (&found["entries"], &found["seq"], found["hash"].as_str().unwrap_or_default());
        println!("The audit log is sound: {entries} entries. Note this down elsewhere, and check it with --expect: {seq}:{hash}");
    }
}
