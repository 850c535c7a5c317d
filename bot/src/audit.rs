//! `entryguard audit`: the log of who did what, printed and checked. It works beside a running server.

mod line;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use entryguard_core::clock::SystemClock;
use entryguard_core::config::Settings;
use entryguard_core::domain::{ChainBreak, ChainCheck, SoundChain};
use entryguard_core::store::Store;
use serde_json::{Value, json};

use crate::cli::{AuditVerb, ConfigOptions, ExportOptions, VerifyOptions};

/// So many entries of an export are in memory at once.
const PAGE: u32 = 500;

/// What to do about a log that does not fit together.
const WHAT_TO_DO: &str =
    "keep a copy of it as it is, find out who could write to it, and compare it with earlier exports and backups";

/// Exports or verifies.
pub async fn run(verb: AuditVerb) -> anyhow::Result<ExitCode> {
    match verb {
        AuditVerb::Export(options) => export(&options).await?,
        AuditVerb::Verify(options) => verify(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(options: &ExportOptions) -> anyhow::Result<()> {
    let store = open(&options.config).await?;
    let range = store.audit_range(options.since, options.until).await?;
    let mut out = BufWriter::new(io::stdout());
    let mut rest = Some(range);
    while let Some(range) = rest {
        let page = store.audit_page(range, PAGE).await?;
        let written = page.iter().try_for_each(|entry| writeln!(out, "{}", line::write(entry)?)).and_then(|()| out.flush());
        match written {
            // Whoever reads has seen enough, as `head` has.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written.context("the entries could not be written to standard output")?,
        }
        rest = page.last().and_then(|entry| range.after(entry));
    }
    store.close().await;
    Ok(())
}

async fn verify(options: VerifyOptions) -> anyhow::Result<()> {
    let checked = match &options.file {
        Some(file) => verify_copy(file, &options)?,
        None => verify_log(&options).await?,
    };
    match checked {
        Ok(sound) => {
            print(&sound, &options);
            Ok(())
        }
        Err(broken) => {
            if options.json {
                print_json(&json!({ "sound": false, "seq": broken.seq, "problem": broken.to_string() }));
            }
            anyhow::bail!("the audit log is broken: {broken}; {WHAT_TO_DO}")
        }
    }
}

async fn verify_log(options: &VerifyOptions) -> anyhow::Result<Result<SoundChain, ChainBreak>> {
    let store = open(&options.config).await?;
    let checked = store.check_log(options.expect.clone()).await?;
    store.close().await;
    Ok(checked)
}

fn verify_copy(file: &Path, options: &VerifyOptions) -> anyhow::Result<Result<SoundChain, ChainBreak>> {
    let unreadable = || format!("{} cannot be read", file.display());
    let lines: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(BufReader::new(io::stdin())),
        false => Box::new(BufReader::new(File::open(file).with_context(unreadable)?)),
    };
    let mut check = ChainCheck::of_copy().expecting(options.expect.clone());
    for (index, text) in lines.split(b'\n').enumerate() {
        let text = text.with_context(unreadable)?;
        let entry = line::read(&text).map_err(|why| {
            anyhow::anyhow!("line {} of {} is not as it was exported: {why}; {WHAT_TO_DO}", index + 1, file.display())
        })?;
        if let Err(broken) = check.see(&entry) {
            return Ok(Err(broken));
        }
    }
    let checked = check.finish();
    // Nothing is what a failed export leaves behind; that it is sound would be the wrong thing to read.
    let empty = checked.as_ref().is_ok_and(|sound| sound.entries == 0);
    anyhow::ensure!(!empty, "{} has no entries, so there is nothing to verify; export again", file.display());
    Ok(checked)
}

async fn open(config: &ConfigOptions) -> anyhow::Result<Store> {
    Ok(Store::open_beside(&Settings::read_database(&config.config)?, Arc::new(SystemClock)).await?)
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print(sound: &SoundChain, options: &VerifyOptions) {
    match options.json {
        true => print_json(&in_json(sound)),
        false => println!("{}", in_words(sound)),
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print_json(value: &Value) {
    println!("{value:#}");
}

fn in_json(sound: &SoundChain) -> Value {
    json!({
        "sound": true,
        "entries": sound.entries,
        "olderThanTheChain": sound.unchained,
        "firstSeq": sound.first.map(|(seq, _)| seq),
        "from": sound.first.map(|(_, at)| at.to_string()),
        "to": sound.last.map(|(_, at)| at.to_string()),
        "head": sound.head.as_ref().map(|head| json!({ "seq": head.seq, "hash": head.hash })),
    })
}

fn in_words(sound: &SoundChain) -> String {
    let (Some((first, from)), Some((_, to))) = (sound.first, sound.last) else {
        return "Sound: there are no entries".to_owned();
    };
    let entries = if sound.entries == 1 { "entry" } else { "entries" };
    let mut words = format!("Sound: {} {entries} from {from} to {to}", sound.entries);
    if first > 1 {
        words += &format!(", without the {} before", first - 1);
    }
    if sound.unchained > 0 {
        words += &format!("; the first {} are older than the hash chain, so nothing vouches for what they say", sound.unchained);
    }
    match &sound.head {
        Some(head) => words + &format!("; head {head}"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{Anchor, Timestamp};

    use super::*;

    fn sound(first: i64, unchained: u64) -> SoundChain {
        let [from, to] = [1_800_000_000_000, 1_800_003_600_000].map(Timestamp::from_millis);
        let head = Anchor { seq: 9, hash: "00ff".to_owned() };
        let entries = (10 - first).unsigned_abs();
        SoundChain { entries, unchained, first: Some((first, from)), last: Some((9, to)), head: Some(head) }
    }

    #[test]
    fn what_the_check_says() {
        insta::assert_snapshot!(in_words(&sound(1, 0)), @"Sound: 9 entries from 2027-01-15T08:00:00Z to 2027-01-15T09:00:00Z; head 9:00ff");
        insta::assert_snapshot!(in_words(&sound(3, 0)), @"Sound: 7 entries from 2027-01-15T08:00:00Z to 2027-01-15T09:00:00Z, without the 2 before; head 9:00ff");
        insta::assert_snapshot!(in_words(&sound(1, 4)), @"Sound: 9 entries from 2027-01-15T08:00:00Z to 2027-01-15T09:00:00Z; the first 4 are older than the hash chain, so nothing vouches for what they say; head 9:00ff");
        insta::assert_snapshot!(in_json(&sound(1, 0)), @r#"{"entries":9,"firstSeq":1,"from":"2027-01-15T08:00:00Z","head":{"hash":"00ff","seq":9},"olderThanTheChain":0,"sound":true,"to":"2027-01-15T09:00:00Z"}"#);
        let nothing = SoundChain { entries: 0, unchained: 0, first: None, last: None, head: None };
        insta::assert_snapshot!(in_words(&nothing), @"Sound: there are no entries");
    }
}
