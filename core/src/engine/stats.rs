//! How things stand, for those who watch over the server.

use super::{Engine, EngineError};
pub use crate::store::Stats;

impl Engine {
    /// How things stand.
    pub async fn stats(&self) -> Result<Stats, EngineError> {
        Ok(self.store.begin().await?.stats().await?)
    }

    /// This machine's clock less the database's, in milliseconds.
    pub fn clock_skew_millis(&self) -> i64 {
        self.store.clock_skew_millis()
    }
}
