//! Whether resources answer, as far as anybody has looked: administrators who asked, and the sweeps. What was asked by hand is kept in
//! this process alone, for it is soon out of date.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Caller, Engine, EngineError};
use crate::domain::{Resource, ResourceName, Timestamp};
use crate::provider::{Health, Verify};
use crate::store::BlockedGrants;

/// How long a resource may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was asked by hand.
pub(super) type Healths = Mutex<BTreeMap<ResourceName, (Timestamp, Healthy)>>;

/// Whether a resource answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healthy {
    /// Nobody has looked.
    Unverified,
    /// It answers.
    Valid {
        /// What was seen.
        summary: String,
        /// What will go wrong later if nobody acts.
        warnings: Vec<String>,
    },
    /// It does not.
    Invalid(String),
}

/// A resource, and whether it answers.
#[derive(Clone, Debug)]
pub struct ResourceHealth {
    /// The resource.
    pub resource: Resource,
    /// What was found the last time.
    pub health: Healthy,
    /// When that was.
    pub at: Option<Timestamp>,
    /// Why it refuses additions that wait for it, for each address family.
    pub blocked: Vec<BlockedGrants>,
}

impl Engine {
    /// Every resource, by name. Administrators alone see them all.
    pub async fn healths(&self, caller: &Caller) -> Result<Vec<ResourceHealth>, EngineError> {
        self.check_administers(caller)?;
        let swept = self.last_sweeps().await?;
        let asked = self.healths.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let directory = self.directory();
        let blocked = self.blocked_grants().await?;
        let of = |resource: &Resource| {
            let blocked = blocked.iter().filter(|blocked| blocked.block.resource == resource.name).cloned().collect();
            ResourceHealth { blocked, ..newest(resource, asked.get(&resource.name), swept.get(&resource.name)) }
        };
        Ok(directory.resources.values().map(of).collect())
    }

    /// Asks a resource now; nothing where there is none of that name.
    pub async fn verify(&self, caller: &Caller, name: &ResourceName, with: &dyn Verify) -> Result<Option<Healthy>, EngineError> {
        self.check_administers(caller)?;
        let health = match tokio::time::timeout(PATIENCE, with.verify(name)).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(Health { summary, warnings }))) => Healthy::Valid { summary, warnings },
            Ok(Some(Err(error))) => Healthy::Invalid(error.to_string()),
            Err(_) => Healthy::Invalid(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if matches!(health, Healthy::Valid { .. }) {
            self.probe_now(name).await?;
        }
        let asked = (self.now(), health.clone());
        self.healths.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), asked);
        Ok(Some(health))
    }
}

type Swept = (Timestamp, Option<String>);

fn newest(resource: &Resource, asked: Option<&(Timestamp, Healthy)>, swept: Option<&Swept>) -> ResourceHealth {
    let asked = asked.cloned();
    let swept = swept.map(|(at, error)| (*at, by_sweep(error.as_deref())));
    let found = asked.into_iter().chain(swept).max_by_key(|(at, _)| *at);
    let (at, health) = found.map_or((None, Healthy::Unverified), |(at, health)| (Some(at), health));
    ResourceHealth { resource: resource.clone(), health, at, blocked: Vec::new() }
}

fn by_sweep(error: Option<&str>) -> Healthy {
    match error {
        None => Healthy::Valid { summary: "read by the sweep".to_owned(), warnings: Vec::new() },
        Some(error) => Healthy::Invalid(error.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AllowlistFile, FileFormat, Network, ResourceKind, Span};

    #[test]
    fn the_newest_look_counts() {
        let file = AllowlistFile {
            path: "/etc/allow".into(),
            format: FileFormat::Plain,
            after_change: Vec::new(),
            after_change_timeout: Span::from_seconds(10),
        };
        let kind = ResourceKind::AllowlistFile(file);
        let resource = Resource { name: ResourceName::new("intranet").unwrap(), network: Network::Public, kind };
        let at = Timestamp::from_millis;
        let (asked, swept) = ((at(5), Healthy::Invalid("denied".to_owned())), (at(9), None));
        let health = |asked, swept| newest(&resource, asked, swept).health;
        assert_eq!(health(None, None), Healthy::Unverified);
        assert_eq!(health(Some(&asked), None), asked.1);
        assert!(matches!(health(Some(&asked), Some(&swept)), Healthy::Valid { .. }));
        let swept = (at(3), None);
        assert_eq!(health(Some(&asked), Some(&swept)), asked.1);
        assert_eq!(health(None, Some(&(at(3), Some("gone".to_owned())))), Healthy::Invalid("gone".to_owned()));
    }
}
