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
    session: SessionBody,
    actor: &'a str,
    details: Value,
}

/// The body that tells of an entry.
pub fn body_of(entry: &AuditEntry, view: &SessionView, directory: &Directory) -> String {
    let session = SessionBody::new(view, directory.members.get(&view.session.member));
    let details = serde_json::from_str(&entry.details).unwrap_or_default();
    let data = Data { session, actor: &entry.actor, details };
    let message = Message { event: &entry.action, timestamp: entry.at.to_the_millisecond(), data };
    // A struct of texts and numbers always has a JSON text.
    serde_json::to_string(&message).unwrap_or_default()
}
