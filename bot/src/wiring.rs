//! Puts the parts together: the only file that names the providers.

use std::sync::Arc;

use anyhow::Context;
use entryguard_aws::{Clients, SecurityGroupAllowlist};
use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::domain::{DeploymentId, Directory, LaterReads, ResourceKind, SecurityGroup};
use entryguard_core::engine::Engine;
use entryguard_core::provider::{Allowlist, Allowlists};
use entryguard_core::random::{SharedRandom, SystemRandom};
use entryguard_core::reconcile::{Nudges, Pulse, Reconciler, ReconcilerParts, SweepPace};
use entryguard_core::store::{Store, StoreUrl};
use entryguard_host::FileAllowlist;

/// Everything that runs, put together.
pub struct Wired {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// What makes the clouds agree with what is wanted.
    pub reconciler: Arc<Reconciler>,
    /// Whose rules are ours.
    pub deployment: DeploymentId,
    /// The database.
    pub store: Arc<Store>,
    /// What wakes the workers.
    pub nudges: Arc<Nudges>,
    /// Whether what closes things is alive.
    pub pulse: Arc<Pulse>,
}

impl Wired {
    /// Opens the database, and builds everything on it.
    pub async fn build(database: &StoreUrl, directory: Directory, later_reads: LaterReads) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: SharedRandom = Arc::new(SystemRandom);
        let (nudges, pulse) = (Arc::new(Nudges::default()), Arc::new(Pulse::default()));
        let (store, deployment) = Store::open_for(database, &directory, Arc::clone(&clock), random.as_ref()).await?;
        let store = Arc::new(store);
        let allowlists = Arc::new(allowlists(&directory, &deployment).await?);
        let reconciler = Arc::new(Reconciler::new(ReconcilerParts {
            store: Arc::clone(&store),
            allowlists,
            deployment: deployment.clone(),
            random: Arc::clone(&random),
            nudges: Arc::clone(&nudges),
            pulse: Arc::clone(&pulse),
            later_reads,
            sweep_pace: SweepPace::default(),
        }));
        let engine = Engine::new(Arc::clone(&store), Arc::new(directory), clock, random, Arc::clone(&nudges), Arc::clone(&pulse));
        Ok(Self { engine: Arc::new(engine), reconciler, deployment, store, nudges, pulse })
    }
}

/// The allowlist of every resource, whose rules `deployment` owns.
pub async fn allowlists(directory: &Directory, deployment: &DeploymentId) -> anyhow::Result<Allowlists> {
    // A proxy that cannot be used must not mean that there is none.
    entryguard_outgoing::Proxies::of_the_environment()?;
    let mut clients = Clients::default();
    let mut allowlists = Allowlists::new();
    for (name, resource) in &directory.resources {
        let allowlist: Arc<dyn Allowlist> = match &resource.kind {
            ResourceKind::SecurityGroup(group) => {
                let credential = directory.credentials.get(&group.credential);
                let credential = credential.with_context(|| format!("resource {name} has no credential"))?;
                let client = clients.connect(credential, &group.region).await;
                Arc::new(SecurityGroupAllowlist::new(client, group, deployment.clone()))
            }
            ResourceKind::AllowlistFile(file) => Arc::new(FileAllowlist::new(file, deployment.clone(), name)),
        };
        allowlists.insert(name.clone(), allowlist);
    }
    Ok(allowlists)
}

/// Groups that no configuration describes, for a command that only removes.
pub async fn groups_of_the_environment(ids: &[String], region: &str, owner: &DeploymentId) -> anyhow::Result<Allowlists> {
    let groups = entryguard_aws::groups_of_the_environment(ids, region, &[], owner).await?;
    Ok(groups.into_iter().map(|(name, group)| (name, Arc::new(group) as Arc<dyn Allowlist>)).collect())
}

/// The least AWS policy for jobs that share the groups without a server.
pub fn serverless_policy<'a>(groups: impl Iterator<Item = &'a SecurityGroup>) -> serde_json::Value {
    entryguard_aws::serverless_policy(groups)
}

/// The least AWS policy for the groups.
pub fn iam_policy<'a>(groups: impl Iterator<Item = &'a SecurityGroup>) -> serde_json::Value {
    entryguard_aws::iam_policy(groups)
}
