//! Closes what whoever has left the guild opened from there. The interactions endpoint is told of no leaving, so Discord is asked.

use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{Identity, Surface};
use entryguard_core::engine::{Engine, EngineError};
use serenity::model::id::UserId;

use super::DiscordApi;
use crate::chat::Chat;

/// How often.
const LOOK: Duration = Duration::from_secs(300);

/// Looks after whoever leaves.
pub struct LeaversWorker {
    engine: Arc<Engine>,
    api: Arc<DiscordApi>,
}

impl LeaversWorker {
    /// A worker over Discord's API.
    pub fn new(engine: Arc<Engine>, api: Arc<DiscordApi>) -> Self {
        Self { engine, api }
    }

    /// Works for ever.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(error = ?error, "who has left Discord could not be looked up; trying again");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&self) -> Result<(), EngineError> {
        for identity in self.engine.identities_with_sessions_of(Surface::Discord).await? {
            let Some(user) = self.api.person(&identity).and_then(|user| user.parse().ok()).filter(|user| *user > 0) else {
                continue;
            };
            match self.api.is_member(UserId::new(user)).await {
                Ok(true) => {}
                Ok(false) => self.close(&identity).await?,
                // What is open goes on: it was given to somebody who was there, and for a time.
                Err(error) => tracing::warn!(%identity, %error, "Discord does not say whether a user is in the server"),
            }
        }
        Ok(())
    }

    async fn close(&self, identity: &Identity) -> Result<(), EngineError> {
        let ended = self.engine.identity_left(identity, Surface::Discord, "not in the Discord server any more").await?;
        tracing::info!(%identity, ended, "somebody has left Discord; their sessions close");
        Ok(())
    }
}
