//! Sessions without a server: this program opens security groups itself, and writes on the rules which jobs hold them.

mod address;
mod closing;
mod opening;

use std::sync::Arc;

use entryguard_aws::{SecurityGroupAllowlist, groups_of_the_environment};
use entryguard_core::domain::{ResourceName, SessionId, Timestamp};
use entryguard_core::serverless::owner;

use crate::inputs::{Groups, words};
use crate::runner::Runner;
use crate::session::{Rule, Session, Status};

pub use closing::close;
pub use opening::open;

/// What a job holds: all that the post step needs to know.
#[derive(Clone, Debug)]
pub struct Held {
    session: SessionId,
    groups: Groups,
    addresses: Vec<String>,
    until: Timestamp,
    /// Whether the main step saw the outcome of everything that it asked for.
    settled: bool,
}

type Lists = Vec<(ResourceName, Arc<SecurityGroupAllowlist>)>;

/// What the main step kept, if it was without a server.
pub fn held(runner: &Runner) -> Option<Held> {
    let session = SessionId::from_stored(runner.saved("session")?);
    let ids = words(&runner.saved("groups")?).map(str::to_owned).collect();
    let addresses = words(&runner.saved("addresses")?).map(str::to_owned).collect();
    let until = Timestamp::parse(&runner.saved("until")?)?;
    // Rules are removed by who holds them, whatever they open.
    let groups = Groups { ids, region: runner.saved("region")?, ports: Vec::new() };
    Some(Held { session, groups, addresses, until, settled: runner.saved("settled").is_some() })
}

impl Held {
    /// Keeps it for the post step.
    fn keep(&self, runner: &Runner) -> std::io::Result<()> {
        runner.save("session", self.session.as_str())?;
        runner.save("groups", &self.groups.ids.join(" "))?;
        runner.save("region", &self.groups.region)?;
        runner.save("addresses", &self.addresses.join(" "))?;
        runner.save("until", &self.until.to_string())
    }

    async fn lists(&self) -> anyhow::Result<Lists> {
        // A proxy that cannot be used must not mean that there is none.
        entryguard_outgoing::Proxies::of_the_environment()?;
        let groups = groups_of_the_environment(&self.groups.ids, &self.groups.region, &self.groups.ports, &owner()).await?;
        Ok(groups.into_iter().map(|(name, group)| (name, Arc::new(group))).collect())
    }

    /// As the server would show it.
    fn shown(&self, status: Status, rules: Vec<Rule>) -> Session {
        let of_family = |v6: bool| self.addresses.iter().find(|address| address.contains(':') == v6).cloned();
        Session {
            id: self.session.to_string(),
            status,
            ipv4_address: of_family(false),
            ipv6_address: of_family(true),
            expires_at: self.until.to_string(),
            resource_ips: rules,
        }
    }
}
