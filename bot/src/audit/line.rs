//! One line of an export.

use entryguard_core::domain::{ChainedEvent, Timestamp};
use serde::{Deserialize, Serialize};

/// One entry of the log, as an export has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    seq: i64,
    id: String,
    at: String,
    // What the hash is of: `at` is for people.
    at_millis: i64,
    actor: String,
    surface: Option<String>,
    action: String,
    session: Option<String>,
    details: serde_json::Value,
    prev_hash: String,
    hash: String,
}

impl Line {
    /// The line of an entry.
    pub fn of(event: &ChainedEvent) -> serde_json::Result<Self> {
        Ok(Self {
            seq: event.seq,
            id: event.id.clone(),
            at: Timestamp::from_millis(event.at).to_string(),
            at_millis: event.at,
            actor: event.actor.clone(),
            surface: event.surface.clone(),
            action: event.action.clone(),
            session: event.session.clone(),
            details: serde_json::from_str(&event.details)?,
            prev_hash: event.prev_hash.clone(),
            hash: event.hash.clone(),
        })
    }

    /// The entry of a line.
    pub fn into_event(self) -> ChainedEvent {
        ChainedEvent {
            seq: self.seq,
            id: self.id,
            at: self.at_millis,
            actor: self.actor,
            surface: self.surface,
            action: self.action,
            session: self.session,
            details: self.details.to_string(),
            prev_hash: self.prev_hash,
            hash: self.hash,
        }
    }
}
