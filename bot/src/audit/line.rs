//! An entry as a line of JSON, so that reading it gives back exactly what its hash was made of.

use std::io;

use entryguard_core::domain::{AuditEntry, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    seq: i64,
    id: String,
    at: String,
    actor: String,
    surface: Option<String>,
    action: String,
    session: Option<String>,
    details: Box<RawValue>,
    prev_hash: Option<String>,
    hash: Option<String>,
}

/// The line, without its end.
pub fn write(entry: &AuditEntry) -> io::Result<String> {
    // As it is stored, and not as it would be written today. What is no JSON any more, or not on one line, was changed by
    // somebody: it becomes a text, so that the rest can still be exported, and its hash does not fit.
    let details = RawValue::from_string(entry.details.clone()).ok().filter(|details| !details.get().contains(['\n', '\r']));
    let details = details.map_or_else(|| to_raw_value(&entry.details), Ok)?;
    let line = Line {
        seq: entry.seq,
        id: entry.id.clone(),
        at: entry.at.to_the_millisecond(),
        actor: entry.actor.clone(),
        surface: entry.surface.clone(),
        action: entry.action.clone(),
        session: entry.session.clone(),
        details,
        prev_hash: entry.prev_hash.clone(),
        hash: entry.hash.clone(),
    };
    Ok(serde_json::to_string(&line)?)
}

/// The entry that a line was written from.
pub fn read(text: &[u8]) -> Result<AuditEntry, String> {
    let line: Line = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    // Digits beyond the millisecond, or another offset, would be read as the same time.
    let at = Timestamp::parse(&line.at).filter(|at| at.to_the_millisecond() == line.at);
    Ok(AuditEntry {
        seq: line.seq,
        id: line.id,
        at: at.ok_or_else(|| format!("`{}` is not a time as EntryGuard writes it", line.at))?,
        actor: line.actor,
        surface: line.surface,
        action: line.action,
        session: line.session,
        details: line.details.get().to_owned(),
        prev_hash: line.prev_hash,
        hash: line.hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(details: &str) -> AuditEntry {
        AuditEntry {
            seq: 7,
            id: "0190".into(),
            at: Timestamp::from_millis(1_800_000_000_123),
            actor: "ana".into(),
            surface: Some("slack".into()),
            action: "session.started".into(),
            session: None,
            details: details.into(),
            prev_hash: Some("00ff".into()),
            hash: Some("ff00".into()),
        }
    }

    #[test]
    fn an_entry_is_one_line_that_others_can_read() {
        insta::assert_snapshot!(
            write(&entry(r#"{"ipv4":"93.184.216.34"}"#)).unwrap(),
            @r#"{"seq":7,"id":"0190","at":"2027-01-15T08:00:00.123Z","actor":"ana","surface":"slack","action":"session.started","session":null,"details":{"ipv4":"93.184.216.34"},"prevHash":"00ff","hash":"ff00"}"#
        );
    }

    #[test]
    fn a_line_gives_back_exactly_what_was_hashed() {
        for details in [r#"{"b":1,"a":1.10}"#, r#"{ "a" : "\u00e9" }"#, "null", r#"{"a":123456789012345678901234567890}"#] {
            let entry = entry(details);
            assert_eq!(read(write(&entry).unwrap().as_bytes()), Ok(entry));
        }
    }

    #[test]
    fn details_that_are_no_json_any_more_still_make_one_line() {
        for details in ["{", "{\n}", ""] {
            let line = write(&entry(details)).unwrap();
            assert_eq!(line.lines().count(), 1);
            assert_ne!(read(line.as_bytes()).unwrap().details, details, "and its hash will not fit");
        }
    }

    #[test]
    fn what_was_added_to_a_line_is_seen() {
        let line = write(&entry("{}")).unwrap();
        let changes = [
            (".123Z", ".1234Z"),
            (".123Z", ".123+00:00"),
            ("{\"seq\"", "{\"by\":\"me\",\"seq\""),
            ("\"seq\":7", "\"seq\":7,\"seq\":7"),
            ("\"ff00\"}", "\"ff00\""),
        ];
        for (from, to) in changes {
            let changed = line.replacen(from, to, 1);
            assert!(changed != line && read(changed.as_bytes()).is_err(), "{changed}");
        }
        assert!(read(b"").is_err());
    }
}
