//! The directory as it is now: the configuration, and what surfaces have told of people since. It only ever becomes newer.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Engine, EngineError};
use crate::domain::{Directory, Known, MemberName};
use crate::store::{StoreError, Tx};

/// The directory, as far as this replica knows.
#[derive(Debug)]
pub(super) struct Directories(RwLock<Current>);

#[derive(Clone, Debug)]
struct Current {
    configured: Arc<Directory>,
    version: i64,
    known: Arc<Known>,
    directory: Arc<Directory>,
}

impl Directories {
    pub fn new(configured: Arc<Directory>) -> Self {
        let directory = Arc::clone(&configured);
        Self(RwLock::new(Current { configured, version: 0, known: Arc::default(), directory }))
    }

    fn current(&self) -> Current {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, version: i64, known: Known) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody who began to read before us may come after us.
        if version > current.version {
            current.directory = Arc::new(current.configured.knowing(&known));
            (current.version, current.known) = (version, Arc::new(known));
        }
    }

    fn configure(&self, configured: Arc<Directory>) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        current.directory = Arc::new(configured.knowing(&current.known));
        current.configured = configured;
    }
}

impl Engine {
    /// Who may reach what.
    pub fn directory(&self) -> Arc<Directory> {
        self.directories.current().directory
    }

    /// The configuration alone.
    pub(super) fn configured(&self) -> Arc<Directory> {
        self.directories.current().configured
    }

    /// Goes by another configuration from here on. What it takes away is not taken back by this: see
    /// [`Engine::revoke_what_is_not_given`].
    pub fn configure(&self, configured: Arc<Directory>) {
        self.directories.configure(configured);
    }

    /// What surfaces have told of people.
    pub fn known(&self) -> Arc<Known> {
        self.directories.current().known
    }

    /// Reads what other replicas were told, if there is anything new; how often that has changed by now.
    pub async fn catch_up(&self) -> Result<i64, EngineError> {
        self.catch_up_in(&mut self.store.begin().await?).await?;
        Ok(self.directories.current().version)
    }

    pub(super) async fn catch_up_in(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let version = tx.known_version().await?;
        if version > self.directories.current().version {
            self.directories.learn(version, tx.known().await?);
        }
        Ok(())
    }

    /// Keeps a member as they are until the transaction ends: whatever takes something from them waits, or was before us.
    pub(super) async fn lock_member(&self, tx: &mut Tx, member: &MemberName) -> Result<(), EngineError> {
        tx.lock_member(member).await?;
        Ok(self.catch_up_in(tx).await?)
    }
}
