//! SIGHUP: reads the configuration again, says what that changes, and goes by it. A file that makes no sense changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entryguard_core::config::{RestartOnly, Settings, WebhookSettings};
use entryguard_core::domain::{Changes, DeploymentId, Directory, ResourceName};
use entryguard_core::engine::{Engine, losses_by};
use entryguard_core::provider::{Allowlist, Allowlists};
use entryguard_core::random::SystemRandom;
use entryguard_core::reconcile::Reconciler;
use entryguard_core::store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::wiring::{Wired, allowlists};

/// How often to look whether everything is closed that was taken away.
const LOOK: Duration = Duration::from_secs(1);
/// A start that had read the configuration from before may still be written for so long.
const STRAGGLERS: Duration = Duration::from_secs(15);

/// Resources as they were, until nothing is open on them.
type Leaving = BTreeMap<ResourceName, Arc<dyn Allowlist>>;

/// Reads the configuration again whenever it is told to.
pub struct Reload {
    path: PathBuf,
    hangups: Signal,
    engine: Arc<Engine>,
    reconciler: Arc<Reconciler>,
    store: Arc<Store>,
    deployment: DeploymentId,
    webhooks: watch::Sender<Arc<Vec<WebhookSettings>>>,
    // The configuration that is gone by, all of it.
    directory: Directory,
    fixed: RestartOnly,
    // Resources that left, or that mean another place by now, with something still open on them as they were.
    leaving: Leaving,
    // Until when to look for what slipped in.
    settling: Option<Instant>,
}

impl Reload {
    /// Goes by `settings`, which were read from `path`, until it is told otherwise.
    pub fn new(
        wired: &Wired,
        path: PathBuf,
        settings: &Settings,
        webhooks: watch::Sender<Arc<Vec<WebhookSettings>>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            path,
            hangups: signal(SignalKind::hangup())?,
            engine: Arc::clone(&wired.engine),
            reconciler: Arc::clone(&wired.reconciler),
            store: Arc::clone(&wired.store),
            deployment: wired.deployment.clone(),
            webhooks,
            directory: settings.directory.clone(),
            fixed: settings.fixed.clone(),
            leaving: Leaving::new(),
            settling: None,
        })
    }

    /// Works for ever.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                hangup = self.hangups.recv() => match hangup {
                    Some(()) => self.reload().await,
                    None => return std::future::pending().await,
                },
                () = tokio::time::sleep(LOOK), if self.settling.is_some() => {
                    if let Err(error) = self.settle().await {
                        tracing::error!(error = %format!("{error:#}"), "what a reload takes away could not be taken away yet; trying again");
                    }
                }
            }
        }
    }

    async fn reload(&mut self) {
        tracing::info!(file = %self.path.display(), "reading the configuration again");
        let settings = match Settings::read(&self.path) {
            Ok(settings) => settings,
            Err(error) => {
                tracing::error!(%error, "the configuration stays as it was: the file makes no sense");
                return;
            }
        };
        if let Err(error) = self.apply(settings).await {
            tracing::error!(error = %format!("{error:#}"), "the configuration could not be gone by; correct what is wrong, and reload again");
        }
    }

    /// Says what will change, and then changes it.
    async fn apply(&mut self, settings: Settings) -> anyhow::Result<()> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let changes = Changes::between(&self.directory, &settings.directory);
        for line in changes.lines() {
            tracing::info!("reload: {line}");
        }
        let moved = self.directory.moved_in(&settings.directory);
        for loss in losses_by(&self.store, &settings.directory.without(&moved)).await? {
            tracing::warn!("reload: {loss}");
        }
        for table in settings.fixed.changed_since(&self.fixed) {
            tracing::warn!("reload: [{table}] is another, which takes a restart; until then it stays as it was");
        }
        self.store.know(&settings.directory, &SystemRandom).await?;
        // Whatever the old configuration had can be closed until nothing is open on it.
        let (now, mut leaving) = (self.reconciler.allowlists(), self.leaving.clone());
        let gone = self.directory.resources.keys().filter(|name| !settings.directory.resources.contains_key(*name));
        for name in gone.chain(&moved) {
            if let Some(allowlist) = now.get(name) {
                leaving.entry(name.clone()).or_insert_with(|| Arc::clone(allowlist));
            }
        }
        self.go_by(&settings.directory, &leaving).await?;
        self.reconciler.probe_all().await?;
        (self.directory, self.leaving) = (settings.directory, leaving);
        self.settling = Some(Instant::now() + STRAGGLERS);
        self.webhooks.send_replace(Arc::new(settings.webhooks));
        self.settle().await?;
        tracing::info!(changes = changes.lines().len(), "the configuration is gone by");
        Ok(())
    }

    /// Lets everything work by a configuration, without the resources whose old place is not closed yet.
    async fn go_by(&self, directory: &Directory, leaving: &Leaving) -> anyhow::Result<()> {
        let directory = directory.without(&leaving.keys().cloned().collect());
        let mut resources: Allowlists = allowlists(&directory, &self.deployment).await?;
        resources.extend(leaving.clone());
        // What comes can be opened before anybody may, and what goes can be closed after nobody may.
        self.reconciler.configure(resources);
        self.engine.configure(Arc::new(directory));
        Ok(())
    }

    /// Takes back what is no longer given, and lets go of the resources on which nothing is open any more.
    async fn settle(&mut self) -> anyhow::Result<()> {
        self.engine.revoke_what_is_not_given().await?;
        let late = self.settling.is_some_and(|until| until <= Instant::now());
        if !late {
            return Ok(());
        }
        let open = self.store.begin().await?.resources_with_openings().await?;
        let closed: Vec<_> = self.leaving.keys().filter(|name| !open.contains(*name)).cloned().collect();
        for name in &closed {
            tracing::info!(resource = %name, "nothing is open any more on a resource as it was configured before");
            self.leaving.remove(name);
        }
        if !closed.is_empty() {
            self.go_by(&self.directory, &self.leaving).await?;
        }
        if self.leaving.is_empty() {
            self.settling = None;
        }
        Ok(())
    }
}
