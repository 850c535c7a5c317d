//! Waiting for sessions: the server keeps the answer until there is news, so that a key that waits has something left for others.

use std::time::{Duration, Instant};

use entryguard_core::domain::Span;
use serde_json::Value;

use super::api::{Api, ApiError};

/// How many seconds the server may keep an answer: at first few, for whoever watches the resources open one by one.
const KEPT: [u64; 3] = [1, 2, 5];
/// And then so many.
const KEPT_LONGEST: u64 = 25;

/// Whoever waits, for so long at the most.
pub struct Waiting<'a> {
    api: &'a Api,
    until: Instant,
    asked: usize,
}

impl<'a> Waiting<'a> {
    /// Begins.
    pub fn begin(api: &'a Api, timeout: Span) -> Self {
        Self { api, until: Instant::now() + timeout.as_duration(), asked: 0 }
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// How a session is, once it is on its way no more or after a while; none where the server wants to be asked later, and by now is.
    pub async fn look(&mut self, id: &str) -> Result<Option<Value>, ApiError> {
        let kept = KEPT.get(self.asked).copied().unwrap_or(KEPT_LONGEST).min(self.left().as_secs().max(1));
        self.asked += 1;
        match self.api.get_kept(&format!("sessions/{id}?wait={kept}s"), Duration::from_secs(kept)).await {
            Err(ApiError::Refused { come_again: Some(after), .. }) => {
                tokio::time::sleep(after.min(self.left())).await;
                Ok(None)
            }
            seen => seen.map(Some),
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}
