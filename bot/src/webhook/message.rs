//! What a receiver is sent: what happened, when, and the session as it stands.

use entryguard_core::domain::{AuditEntry, Directory};
use entryguard_core::store::SessionView;
use serde::Serialize;
use serde_json::Value;

use crate::api::SessionBody;

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    event: &'a str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    session: About<'a>,
    actor: &'a str,
    details: Value,
}

#[derive(Serialize)]
#[serde(untagged)]
enum About<'a> {
    Session(Box<SessionBody>),
    // What was set aside, for it cannot be read.
    Unreadable { id: Option<&'a str> },
}

/// The body that tells of an entry.
pub fn body_of(entry: &AuditEntry, view: Option<&SessionView>, directory: &Directory) -> String {
    let whole = |view: &SessionView| SessionBody::new(view, directory.members.get(&view.session.member));
    let unreadable = || About::Unreadable { id: entry.session.as_deref() };
    let session = view.map_or_else(unreadable, |view| About::Session(Box::new(whole(view))));
    let details = serde_json::from_str(&entry.details).unwrap_or_default();
    let data = Data { session, actor: &entry.actor, details };
    let message = Message { event: &entry.action, timestamp: entry.at.to_the_millisecond(), data };
    // A struct of texts and numbers always has a JSON text.
    serde_json::to_string(&message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use entryguard_core::domain::AuditAction;

    const GUIDE: &str = include_str!("../../../docs/webhooks.md");

    #[test]
    fn the_guide_has_every_event_and_no_other() {
        let rows = GUIDE.lines().filter(|line| line.starts_with("| `session."));
        let first = rows.filter_map(|row| row.split('|').nth(1));
        let words = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let guide: BTreeSet<_> =
            words.map(|word| format!("session.{}", word.trim_start_matches("session").trim_start_matches('.'))).collect();
        let all: BTreeSet<_> = AuditAction::OF_SESSIONS.iter().map(|action| action.as_str().to_owned()).collect();
        assert_eq!(guide, all);
    }
}
