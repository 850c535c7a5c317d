//! Accepts what a surface has verified, once: whoever sends the same again changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{Engine, EngineError};
use crate::domain::Span;
use crate::gather::Gather;
use crate::store::{Store, StoreError};

/// How often old ones are forgotten, and the links that nobody has used: not with each request.
const FORGET_EVERY: Span = Span::from_minutes(1);

/// Requests that wait to be accepted.
#[derive(Default)]
pub(super) struct Accepting {
    gather: Gather<String, Result<bool, StoreError>>,
    forgotten_at: Arc<AtomicI64>,
}

impl Engine {
    /// Accepts a signed request by a name of its own; false where the same was accepted before.
    pub async fn accept_once(&self, name: &str) -> Result<bool, EngineError> {
        let (store, forgotten_at) = (Arc::clone(&self.store), Arc::clone(&self.accepting.forgotten_at));
        let accepted = self.accepting.gather.submit(name.to_owned(), |names| accept(store, forgotten_at, names)).await;
        Ok(accepted.ok_or(StoreError::Interrupted)??)
    }

    /// Whether a request was accepted before: for work that is done before its request is accepted, so that none is lost.
    pub async fn was_accepted(&self, name: &str) -> Result<bool, EngineError> {
        Ok(self.store.begin().await?.was_accepted(name).await?)
    }
}

async fn accept(store: Arc<Store>, forgotten_at: Arc<AtomicI64>, names: Vec<String>) -> Vec<Result<bool, StoreError>> {
    match accept_all(&store, &forgotten_at, names.iter().cloned().collect()).await {
        // Of two that are the same, one is accepted.
        Ok(mut first) => names.iter().map(|name| Ok(first.remove(name))).collect(),
        Err(error) => {
            tracing::error!(error = ?error, "requests could not be checked for replay");
            let error = Arc::new(error);
            names.iter().map(|_| Err(StoreError::Shared(Arc::clone(&error)))).collect()
        }
    }
}

async fn accept_all(store: &Store, forgotten_at: &AtomicI64, names: BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let mut tx = store.begin().await?;
    let now = tx.now().as_millis();
    if now - forgotten_at.load(Ordering::Relaxed) > FORGET_EVERY.as_millis() {
        tx.forget_accepted().await?;
        tx.forget_unused_links().await?;
        forgotten_at.store(now, Ordering::Relaxed);
    }
    let first = tx.accept_once(&names).await?;
    tx.commit().await?;
    Ok(first)
}
