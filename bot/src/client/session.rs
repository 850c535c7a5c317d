//! What the API answers, as far as people are shown it.

use std::collections::BTreeSet;

use entryguard_core::domain::BlockCause;
use entryguard_core::reply::{ALIKE, Likeness, named, said_together, what_to_do};
use serde::Deserialize;

use super::time::Moment;

/// A session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user_name: String,
    /// What it shows.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// The IPv4 address that it opens.
    pub ipv4_address: Option<String>,
    /// The IPv6 address that it opens.
    pub ipv6_address: Option<String>,
    /// Since when.
    pub started_at: Moment,
    /// Until when.
    pub expires_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// One for each resource and address.
    pub resource_ips: Vec<Rule>,
}

/// One rule of a session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// The resource.
    pub resource_name: String,
    /// The address.
    pub ip_address: String,
    /// `APPLIED`, ….
    pub status: String,
    /// What went wrong.
    pub error_message: Option<String>,
    /// Why its resource refuses additions, while it waits for that. Servers of older versions do not say.
    #[serde(default)]
    pub waits_for: Option<String>,
}

/// A part of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// What it has.
    pub sessions: Vec<serde_json::Value>,
    /// Where the next part begins.
    pub next_cursor: Option<String>,
}

impl Rule {
    /// What it fails like.
    pub fn likeness(&self) -> (&str, Likeness<'_>) {
        let waits_for = self.waits_for.as_deref().and_then(BlockCause::parse);
        (&self.status, Likeness::of(waits_for, self.error_message.as_deref()))
    }
}

/// What rules say together that wait for resources which refuse for one cause, where there are enough of them.
pub fn said_of_all(group: &[&Rule]) -> Option<(BlockCause, String)> {
    let (_, Likeness::Cause(cause)) = group.first().filter(|_| group.len() >= ALIKE)?.likeness() else { return None };
    let names: BTreeSet<_> = group.iter().map(|rule| rule.resource_name.clone()).collect();
    let names: Vec<_> = names.into_iter().collect();
    Some((cause, format!("{}: {}. {}", said_together(cause, names.len()), named(&names), what_to_do(cause))))
}

impl Session {
    /// The id as people name it.
    pub fn short(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }

    /// The addresses that it opens.
    pub fn addresses(&self) -> Vec<&str> {
        [&self.ipv4_address, &self.ipv6_address].into_iter().flatten().map(String::as_str).collect()
    }

    /// How many resources it opens.
    pub fn resources(&self) -> usize {
        self.resource_ips.iter().map(|rule| &rule.resource_name).collect::<BTreeSet<_>>().len()
    }

    /// Whether it is still on its way to what it will be.
    pub fn is_on_its_way(&self) -> bool {
        matches!(self.status.as_str(), "REQUESTED" | "PENDING")
    }
}
