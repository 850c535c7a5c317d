//! A file allowlist on a real file, with real commands.

use std::path::Path;

use entryguard_core::domain::{FileFormat, HostAddress, MemberName, OpeningId, SessionId, Span, Timestamp};

use super::*;

const HOME: &str = "93.184.216.34";

fn addition(opening: &str) -> Addition {
    Addition {
        opening: OpeningId::from_stored(opening),
        address: HostAddress::parse(HOME).unwrap(),
        parts: vec![RulePart(String::new())],
        until: Timestamp::from_millis(1_700_000_000_000),
        member: MemberName::new("ana").unwrap(),
        session: SessionId::from_stored("0a1b2c3d"),
    }
}

fn removal(opening: &str) -> Removal {
    Removal { opening: OpeningId::from_stored(opening), rules: Vec::new() }
}

fn allowlist(path: &Path, after_change: &[&str]) -> FileAllowlist {
    let file = AllowlistFile {
        path: path.to_owned(),
        format: FileFormat::Nginx,
        after_change: after_change.iter().map(ToString::to_string).collect(),
        after_change_timeout: Span::from_seconds(5),
    };
    FileAllowlist::new(&file, DeploymentId::from_stored("us"), &ResourceName::new("intranet").unwrap())
}

#[tokio::test]
async fn an_address_comes_and_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow");
    std::fs::write(&path, "allow 10.0.0.1;\ndeny all;\n").unwrap();
    let file = allowlist(&path, &[]);
    for _twice in 0..2 {
        file.add(&[addition("one")]).await.unwrap();
    }
    let seen = file.observe().await.unwrap();
    assert_eq!(seen.iter().filter(|rule| rule.mark.is_some()).count(), 1);
    assert_eq!(seen.len(), 2, "the foreign line is seen too");
    for _twice in 0..2 {
        file.remove(&[removal("one")]).await.unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("allow 10.0.0.1;\ndeny all;\n") && !text.contains(HOME), "{text}");
}

#[tokio::test]
async fn i3_a_line_that_somebody_wrote_is_a_duplicate_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow");
    let by_hand = format!("allow {HOME};\n");
    std::fs::write(&path, &by_hand).unwrap();
    let file = allowlist(&path, &[]);
    assert!(matches!(file.add(&[addition("one")]).await, Err(ProviderError::Duplicate)));
    file.remove(&[removal("one")]).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), by_hand);
}

#[tokio::test]
async fn a_command_that_fails_is_shown_and_runs_again_with_the_retry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow");
    let ready = folder.path().join("ready");
    let script = format!("test -e {} || {{ echo the reader is away >&2; exit 3; }}", ready.display());
    let file = allowlist(&path, &["sh", "-c", &script]);
    let error = file.add(&[addition("one")]).await.unwrap_err();
    assert!(error.outlives_observation() && error.to_string().contains("exit status: 3"), "{error}");
    assert!(!error.to_string().contains("the reader is away"), "what a command says is for the log: {error}");
    std::fs::write(&ready, "").unwrap();
    file.add(&[addition("one")]).await.unwrap();
    std::fs::remove_file(&ready).unwrap();
    assert!(file.remove(&[removal("one")]).await.unwrap_err().outlives_observation());
    assert!(file.remove(&[removal("one")]).await.unwrap_err().outlives_observation(), "nothing to write, and still not in force");
}

#[tokio::test]
async fn i6_beside_a_line_that_somebody_wrote_a_change_is_put_in_force_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ready) = (folder.path().join("allow"), folder.path().join("ready"));
    std::fs::write(&path, format!("allow {HOME};\n")).unwrap();
    let both = [addition("one"), Addition { address: HostAddress::parse("93.184.216.35").unwrap(), ..addition("two") }];
    let file = allowlist(&path, &["test", "-e", &ready.display().to_string()]);
    for _retry in 0..2 {
        // Whoever is told of a duplicate looks at the file, finds both addresses there, and asks for nothing more.
        let error = file.add(&both).await.unwrap_err();
        assert!(error.outlives_observation(), "the reader has not read the file: {error}");
    }
    std::fs::write(&ready, "").unwrap();
    assert!(matches!(file.add(&both).await, Err(ProviderError::Duplicate)));
    assert_eq!(file.observe().await.unwrap().len(), 2, "one each");
}

#[tokio::test]
async fn what_is_not_utf8_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow");
    let by_hand = b"allow 10.0.0.1; # caf\xe9\r\ndeny all;";
    std::fs::write(&path, by_hand).unwrap();
    let file = allowlist(&path, &[]);
    file.add(&[addition("one")]).await.unwrap();
    assert_eq!(file.observe().await.unwrap().len(), 2);
    file.remove(&[removal("one")]).await.unwrap();
    let block =
        "# BEGIN ENTRYGUARD intranet: EntryGuard writes these lines; write yours outside of them\n# END ENTRYGUARD intranet\n";
    assert_eq!(std::fs::read(&path).unwrap(), [block.as_bytes(), by_hand].concat());
}

#[tokio::test]
async fn an_expiry_moves_however_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow");
    let file = allowlist(&path, &[]);
    file.add(&[addition("one")]).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("22:13:20Z", "23:13:20+01:00")).unwrap();
    let until = Timestamp::from_millis(1_800_000_000_000);
    file.mark_until(&[Remark { opening: OpeningId::from_stored("one"), rules: Vec::new(), until }]).await.unwrap();
    let seen = file.observe().await.unwrap();
    assert_eq!(seen[0].mark.as_ref().unwrap().expires_at, Some(until));
}

#[tokio::test]
async fn a_command_that_hangs_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = allowlist(&folder.path().join("allow"), &["sleep", "60"]);
    file.file.after_change_timeout = Span::from_millis(50);
    let error = file.add(&[addition("one")]).await.unwrap_err().to_string();
    assert!(error.contains("did not end within"), "{error}");
}

#[tokio::test]
async fn a_damaged_block_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow");
    let damaged = "# BEGIN ENTRYGUARD intranet: ours\nallow 93.184.216.34;\n";
    std::fs::write(&path, damaged).unwrap();
    let file = allowlist(&path, &[]);
    assert!(file.observe().await.unwrap_err().to_string().contains("is damaged"));
    assert!(file.remove(&[removal("one")]).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
}

#[tokio::test]
async fn verifying_finds_what_would_fail_later() {
    let folder = tempfile::tempdir().unwrap();
    let health = allowlist(&folder.path().join("allow"), &["sh"]).verify().await.unwrap();
    assert_eq!(health.summary, "0 addresses, 0 of them ours");
    assert!(allowlist(&folder.path().join("allow"), &["no-such-program"]).verify().await.is_err());
    assert!(allowlist(&folder.path().join("missing/allow"), &[]).verify().await.is_err());
}

#[tokio::test]
async fn what_is_no_file_or_has_no_end_is_refused_at_once_and_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allow");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let refused = allowlist(&path, &[]).observe().await.unwrap_err();
    assert!(refused.to_string().contains("is a pipe and not a regular file"), "{refused}");
    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(&path).unwrap().set_len(3 << 30).unwrap();
    let refused = allowlist(&path, &[]).add(&[addition("one")]).await.unwrap_err();
    assert!(refused.to_string().contains("more than is read of it"), "{refused}");
}
