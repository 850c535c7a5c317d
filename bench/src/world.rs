//! The engine, put together as the server does it, on a database of its own and before a distant cloud.

use std::fmt::{Display, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::config::Settings;
use entryguard_core::domain::{
    Addresses, Directory, HostAddress, Identity, LaterReads, ResourceName, SessionId, Span, Surface, Timestamp,
};
use entryguard_core::engine::{Caller, Engine, StartRequest};
use entryguard_core::provider::{Allowlist, Allowlists};
use entryguard_core::random::{SharedRandom, SystemRandom};
use entryguard_core::reconcile::{Nudges, Pulse, Reconciler, ReconcilerParts, SweepPace};
use entryguard_core::store::{Store, StoreUrl};
use tokio::task::JoinSet;

use crate::cloud::{Cloud, Group};
use crate::crowd::Crowd;

/// What there is in it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Groups, which every member may open.
    pub groups: usize,
    /// Members.
    pub members: usize,
    /// How far away the cloud is.
    pub latency: Duration,
    /// What is open already.
    pub crowds: Vec<Crowd>,
}

/// Everything that runs.
pub struct World {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// What makes the cloud agree with what is wanted.
    pub reconciler: Arc<Reconciler>,
    /// The cloud.
    pub cloud: Arc<Cloud>,
    /// Its groups.
    pub groups: Vec<Arc<Group>>,
    /// What wakes the loops.
    pub nudges: Arc<Nudges>,
    /// When the opening of the database began, and when it was done.
    pub opening: [Instant; 2],
    store: Arc<Store>,
    loops: JoinSet<()>,
}

/// The name of a group.
pub fn group_name(number: impl Display) -> String {
    format!("group-{number}")
}

/// The present time.
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// An address of the internet for each number.
pub fn address(number: u32) -> anyhow::Result<HostAddress> {
    let [_, a, b, c] = number.to_be_bytes();
    Ok(HostAddress::parse(&Ipv4Addr::new(46, a, b, c).to_string())?)
}

impl World {
    /// Opens the database and builds everything on it. The crowds are taken for written already.
    pub async fn open(url: &str, setup: &Setup) -> anyhow::Result<Self> {
        let directory = directory(setup)?;
        let (clock, random): (Arc<dyn Clock>, SharedRandom) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let (nudges, pulse) = (Arc::new(Nudges::default()), Arc::new(Pulse::default()));
        let url = StoreUrl::parse(url)?;
        let began = Instant::now();
        let (store, deployment) = Store::open_for(&url, &directory, Arc::clone(&clock), random.as_ref()).await?;
        let opening = [began, Instant::now()];
        let (store, cloud) = (Arc::new(store), Arc::new(Cloud::new(setup.latency)));
        let group = |number| Arc::new(Group::new(&cloud, &deployment, number, &setup.crowds));
        let groups: Vec<_> = (0..setup.groups).map(group).collect();
        let allowlist = |name: &ResourceName| {
            let number: usize = name.as_str().rsplit('-').next().and_then(|number| number.parse().ok())?;
            Some((name.clone(), Arc::clone(groups.get(number)?) as Arc<dyn Allowlist>))
        };
        let allowlists: Allowlists = directory.resources.keys().filter_map(allowlist).collect();
        let reconciler = Arc::new(Reconciler::new(ReconcilerParts {
            store: Arc::clone(&store),
            allowlists: Arc::new(allowlists),
            deployment,
            random: Arc::clone(&random),
            nudges: Arc::clone(&nudges),
            pulse: Arc::clone(&pulse),
            later_reads: LaterReads::default(),
            sweep_pace: SweepPace::default(),
        }));
        let engine = Engine::new(Arc::clone(&store), Arc::new(directory), clock, random, Arc::clone(&nudges), pulse);
        Ok(Self { engine: Arc::new(engine), reconciler, cloud, groups, nudges, opening, store, loops: JoinSet::new() })
    }

    /// Opens the database, writes the crowds into it, and builds everything.
    pub async fn with_crowds(url: &str, setup: &Setup) -> anyhow::Result<Self> {
        let world = Self::open(url, setup).await?;
        for crowd in &setup.crowds {
            crowd.insert(url).await?;
        }
        Ok(world)
    }

    /// Starts the loops, as the server does; when it had resumed what was in flight.
    pub async fn run(&mut self) -> anyhow::Result<Instant> {
        self.reconciler.resume().await?;
        let resumed = Instant::now();
        self.loops.spawn(Arc::clone(&self.reconciler).run());
        self.loops.spawn(Arc::clone(&self.reconciler).run_clock());
        self.loops.spawn(Arc::clone(&self.reconciler).run_without_database());
        Ok(resumed)
    }

    /// Stops the loops and closes the database.
    pub async fn stop(mut self) {
        self.loops.shutdown().await;
        self.store.close().await;
    }

    /// The member of that number.
    pub fn caller(&self, number: usize) -> anyhow::Result<Caller> {
        let identity = Identity::Slack { team: "T".into(), user: format!("U{number}") };
        Ok(self.engine.caller(&identity, Surface::Slack)?)
    }

    /// Starts a session.
    pub async fn start(&self, caller: &Caller, address: HostAddress) -> anyhow::Result<SessionId> {
        let request = StartRequest::seen(Some(Span::from_hours(2)), Addresses::new(&[address])?);
        Ok(self.engine.start(caller, request).await?.view.session.id)
    }
}

fn directory(setup: &Setup) -> anyhow::Result<Directory> {
    let mut text = String::from(
        "[organization]\nname = \"Bench\"\ntier = \"all\"\n\
         [[tier]]\nname = \"all\"\ndurations = [\"2h\"]\ndefault_duration = \"2h\"\nmax_duration = \"1d\"\n\
         [[credential]]\nname = \"prod\"\nprovider = \"aws\"\n",
    );
    for group in 0..setup.groups {
        write!(
            text,
            "[[resource]]\nname = \"{}\"\nprovider = \"aws\"\ntype = \"security_group\"\nid = \"sg-{group}\"\nregion = \"eu-west-1\"\n\
             credential = \"prod\"\nports = [{{ protocol = \"tcp\", from = 22, to = 22 }}]\n",
            group_name(group)
        )?;
    }
    for member in 0..setup.members {
        writeln!(text, "[[member]]\nname = \"member-{member}\"\nidentities = [\"slack:T/U{member}\"]")?;
    }
    let members: Vec<_> = (0..setup.members).map(|number| format!("member-{number}")).collect();
    let groups: Vec<_> = (0..setup.groups).map(group_name).collect();
    writeln!(text, "[[role]]\nname = \"everybody\"\nmembers = {members:?}\nresources = {groups:?}")?;
    let settings = Settings::parse(&text, Path::new("bench"), &|_| None);
    Ok(settings.context("the bench's own configuration does not read")?.directory)
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::SessionStatus;

    use super::*;
    use crate::database::Kind;

    #[tokio::test]
    async fn more_rules_on_one_group_than_a_burst_of_calls_can_add_are_added_all_the_same() {
        let database = Kind::Sqlite.make().await.unwrap();
        let setup = Setup { groups: 1, members: 1, latency: Duration::ZERO, crowds: Vec::new() };
        let mut world = World::open(&database.url, &setup).await.unwrap();
        let caller = world.caller(0).unwrap();
        let mut last = None;
        // 51 calls of 6 rules each; EC2 takes 50 at once.
        for number in 0..306 {
            last = Some(world.start(&caller, address(number).unwrap()).await.unwrap());
        }
        world.run().await.unwrap();
        let active = async {
            while world.engine.view(last.as_ref().unwrap()).await.unwrap().unwrap().status() != SessionStatus::Active {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), active).await.expect("the last session never became ACTIVE");
        assert_eq!(world.cloud.calls().refused, 0);
        world.stop().await;
        database.drop_it().await.unwrap();
    }
}
