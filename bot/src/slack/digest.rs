//! Tells people of drift: one message of what has changed, to the channel of the configuration or to the administrators.

use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{Identity, Span};
use entryguard_core::engine::{Engine, EngineError, Untold};
use entryguard_core::reply::digest;
use entryguard_core::reply::message::{Markup, Message};

use super::blocks::{Mrkdwn, content};
use super::client::SlackApi;
use crate::chat::{Chat, ChatError};

/// How often to look for news: what comes within this time is one message.
const LOOK: Duration = Duration::from_secs(5);
/// How long a digest is another replica's to tell.
const HOLD: Span = Span::from_minutes(1);

/// Tells people of drift.
pub struct DigestWorker {
    engine: Arc<Engine>,
    api: Arc<SlackApi>,
    team: String,
    channel: Option<String>,
}

impl DigestWorker {
    /// A worker that tells `channel`, or the administrators whom Slack knows in `team`.
    pub fn new(engine: Arc<Engine>, api: Arc<SlackApi>, team: String, channel: Option<String>) -> Self {
        Self { engine, api, team, channel }
    }

    /// Works for ever.
    pub async fn run(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.tell().await {
                tracing::error!(error = ?error, "the findings could not be read; trying again");
            }
        }
    }

    async fn tell(&self) -> Result<(), EngineError> {
        let Some(untold) = self.engine.take_untold(HOLD).await? else { return Ok(()) };
        match self.post(&untold).await {
            Ok(()) => self.engine.told(&untold).await,
            Err(error) => {
                tracing::warn!(%error, "Slack could not be told of what was found; trying again in a minute");
                Ok(())
            }
        }
    }

    /// Posts to everybody who is to know. Where nobody is, the log and the audit log have it.
    async fn post(&self, untold: &Untold) -> Result<(), ChatError> {
        let heading = "EntryGuard found that something was not as it should be".to_owned();
        let found = digest(&untold.drifts);
        let lines = std::iter::once(Mrkdwn.bold(&heading)).chain(found.iter().map(|line| Mrkdwn.text(line))).collect();
        let message = content(&Message::of_lines(heading, lines));
        let mut outcome = Ok(());
        for channel in self.readers() {
            let posted = self.api.post(&channel, message.clone()).await;
            outcome = outcome.and(posted.map(drop));
        }
        outcome
    }

    fn readers(&self) -> Vec<String> {
        if let Some(channel) = &self.channel {
            return vec![channel.clone()];
        }
        let admins = self.engine.directory().members.values().filter(|member| member.admin);
        let of_team = |identity: &Identity| match identity {
            Identity::Slack { team, user } if *team == self.team => Some(user.clone()),
            _ => None,
        };
        admins.flat_map(|admin| admin.identities.iter().filter_map(of_team)).collect()
    }
}
