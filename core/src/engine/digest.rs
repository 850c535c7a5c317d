//! What a chat tells of drift: one digest of what has changed, and not one message each.

use super::{Engine, EngineError};
use crate::domain::{Drift, Span, Timestamp};

/// What one digest tells of at the most; the rest is the next one's.
const AT_MOST: u32 = 200;

/// What people have not been told of yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// What was found, the oldest first.
    pub drifts: Vec<Drift>,
    taken_at: Timestamp,
}

impl Engine {
    /// Takes what people have not been told of yet, for `hold`; nothing where there is no news.
    pub async fn take_untold(&self, hold: Span) -> Result<Option<Untold>, EngineError> {
        let mut tx = self.store.begin().await?;
        let (taken_at, drifts) = (tx.now(), tx.take_untold_drifts(AT_MOST, hold).await?);
        tx.commit().await?;
        Ok((!drifts.is_empty()).then_some(Untold { drifts, taken_at }))
    }

    /// People have been told of it.
    pub async fn told(&self, untold: &Untold) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        tx.drifts_told(untold.taken_at).await?;
        Ok(tx.commit().await?)
    }
}
