//! A session as the server shows it, and as people read it.

use serde::Deserialize;

/// A session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: String,
    /// What it shows.
    pub status: Status,
    /// The IPv4 address that it opens.
    pub ipv4_address: Option<String>,
    /// The IPv6 address that it opens.
    pub ipv6_address: Option<String>,
    /// Until when.
    pub expires_at: String,
    /// One for each resource and address.
    pub resource_ips: Vec<Rule>,
}

/// What a session shows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Somebody has to agree.
    Requested,
    /// On its way.
    Pending,
    /// All of it is open.
    Active,
    /// Some of it is open.
    Partial,
    /// Nothing is open.
    Failed,
    /// Somebody refused it.
    Denied,
    /// Being closed.
    Expiring,
    /// Over, by time.
    Expired,
    /// Over, by somebody's word.
    Cancelled,
}

/// One rule of a session.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The resource.
    pub resource_name: String,
    /// The address.
    pub ip_address: String,
    /// `APPLIED`, ….
    pub status: String,
    /// What went wrong.
    pub error_message: Option<String>,
}

impl Status {
    /// The status's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
            Self::Denied => "DENIED",
            Self::Expiring => "EXPIRING",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl Rule {
    /// A line for the log.
    pub fn line(&self) -> String {
        let why = self.error_message.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{} {} {}{why}", self.status, self.resource_name, self.ip_address)
    }
}

impl Session {
    /// Whether nothing is open of it any more.
    pub fn is_closed(&self) -> bool {
        match self.status {
            Status::Expired | Status::Cancelled | Status::Denied => true,
            Status::Requested | Status::Pending | Status::Active | Status::Partial | Status::Failed | Status::Expiring => false,
        }
    }

    /// What failed, and why: one line a rule.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.resource_ips.iter().filter(|rule| rule.status == "FAILED");
        failed
            .map(|rule| format!("{}: {}", rule.resource_name, rule.error_message.as_deref().unwrap_or("no reason given")))
            .collect()
    }

    /// A table for the job's summary.
    pub fn summary(&self) -> String {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let mut lines = vec![
            format!("### EntryGuard session `{}`: {}", self.short(), self.status.as_str()),
            String::new(),
            match self.is_closed() {
                true => format!("Nothing of it is open any more for {}.", self.addresses()),
                false => format!("Open for {} until {}, or until the job ends.", self.addresses(), self.expires_at),
            },
            String::new(),
            "| resource | address | status | |".to_owned(),
            "| --- | --- | --- | --- |".to_owned(),
        ];
        lines.extend(self.resource_ips.iter().map(|rule| {
            let why = rule.error_message.as_deref().unwrap_or_default();
            format!("| {} | {} | {} | {} |", cell(&rule.resource_name), cell(&rule.ip_address), cell(&rule.status), cell(why))
        }));
        lines.join("\n")
    }

    /// The addresses that it opens.
    pub fn addresses(&self) -> String {
        let both = [&self.ipv4_address, &self.ipv6_address];
        both.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" and ")
    }

    /// The id as people name it.
    pub fn short(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_a_table() {
        let rule = |name: &str, status: &str, error: Option<&str>| Rule {
            resource_name: name.to_owned(),
            ip_address: "93.184.216.34".to_owned(),
            status: status.to_owned(),
            error_message: error.map(str::to_owned),
        };
        let session = Session {
            id: "0a1b2c3d-0000-4000-8000-000000000000".to_owned(),
            status: Status::Partial,
            ipv4_address: Some("93.184.216.34".to_owned()),
            ipv6_address: None,
            expires_at: "2026-01-01T14:00:00Z".to_owned(),
            resource_ips: vec![rule("bastion", "APPLIED", None), rule("orders-db", "FAILED", Some("no such group | gone"))],
        };
        assert_eq!(session.failures(), ["orders-db: no such group | gone"]);
        insta::assert_snapshot!(session.summary(), @r"
        ### EntryGuard session `0a1b2c3d`: PARTIAL

        Open for 93.184.216.34 until 2026-01-01T14:00:00Z, or until the job ends.

        | resource | address | status | |
        | --- | --- | --- | --- |
        | bastion | 93.184.216.34 | APPLIED |  |
        | orders-db | 93.184.216.34 | FAILED | no such group \| gone |
        ");
    }
}
