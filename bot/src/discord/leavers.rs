//! Closes what whoever has left the guild opened from there, and what a lost role gave. The interactions endpoint is told of neither,
//! so Discord is asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{Identity, Surface};
use entryguard_core::engine::{Engine, EngineError};
use serenity::model::id::{GuildId, UserId};

use super::DiscordApi;
use super::calls::CALL;
use super::membership::{held, is_there};
use crate::chat::{Chat, Round};

/// How often.
const LOOK: Duration = Duration::from_secs(300);

/// Looks after whoever leaves.
pub struct LeaversWorker {
    engine: Arc<Engine>,
    api: Arc<DiscordApi>,
    guild: GuildId,
    round: Round,
}

impl LeaversWorker {
    /// A worker over Discord's API.
    pub fn new(engine: Arc<Engine>, api: Arc<DiscordApi>, guild: u64) -> Self {
        Self { engine, api, guild: GuildId::new(guild), round: Round::default() }
    }

    /// Works for ever.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(error = ?error, "who has left Discord could not be looked up; trying again");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&mut self) -> Result<(), EngineError> {
        self.engine.catch_up().await?;
        let open = self.engine.identities_with_sessions().await?.into_iter().chain(self.engine.role_holders());
        let here = |identity: &Identity| self.api.person(identity).is_some();
        let (open, everybody) = (open.filter(here).collect(), self.engine.identities().into_iter().filter(here).collect());
        for identity in self.round.next(open, everybody) {
            let Some(user) = self.api.person(&identity).and_then(|user| user.parse().ok()).filter(|user| *user > 0) else {
                continue;
            };
            let before = self.engine.before_asking(&identity);
            match self.api.roles_of(UserId::new(user), CALL).await {
                Ok(Some(roles)) => is_there(&self.engine, &identity, before, &held(self.guild, &roles)).await?,
                Ok(None) => self.left(&identity).await?,
                // What is open goes on: it was given to somebody who was there, and for a time.
                Err(error) => tracing::warn!(%identity, %error, "Discord does not say whether a user is in the server"),
            }
        }
        Ok(())
    }

    async fn left(&self, identity: &Identity) -> Result<(), EngineError> {
        let ended = self.engine.identity_left(identity, Surface::Discord, "not in the Discord server any more").await?;
        if ended > 0 {
            tracing::info!(%identity, ended, "somebody has left Discord; their sessions close");
        }
        self.engine.identity_holds(identity, &BTreeSet::new()).await
    }
}
