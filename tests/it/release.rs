//! What a release is made with: the pins of the action's programs, from their checksums.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// What `action/pin.py` prints for these lines; or what it says where it refuses.
fn pinned(version: &str, sums: &str) -> Result<Value, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("action/pin.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(version).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sums.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn each_platforms_program_is_pinned_by_its_checksum() {
    let (one, two, three) = ("1".repeat(64), "2".repeat(64), "a".repeat(64));
    // As sha256sum prints them, for text and for binary.
    let sums = format!(
        "{two}  entryguard-action-linux-x64\n{one} *entryguard-action-darwin-arm64\n{three}  entryguard-action-win32-x64.exe\n"
    );
    let release = pinned("1.2.3", &sums).unwrap();
    assert_eq!(release["version"], "1.2.3");
    assert_eq!(release["sha256"], json!({ "darwin-arm64": one, "linux-x64": two, "win32-x64": three }));
    assert!(release["url"].as_str().unwrap().starts_with("https://"), "{release}");
}

#[test]
fn what_is_no_checksum_of_a_program_is_pinned_as_none() {
    let sum = "1".repeat(64);
    for sums in [
        String::new(),
        format!("{sum}  entryguard-linux-x64\n"),
        format!("{}  entryguard-action-linux-x64\n", &sum[1..]),
        format!("{sum}  entryguard-action-linux-x64\nsha256sum: entryguard-action-win32-x64.exe: No such file\n"),
        format!("{sum}  ../entryguard-action-linux-x64\n"),
    ] {
        assert!(pinned("1.2.3", &sums).is_err(), "{sums:?}");
    }
}
