//! Closes what whoever has left the workspace has open. Slack tells of it once, and not while we are away; so it is asked, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{Identity, Surface};
use entryguard_core::engine::{BeforeAsking, Engine, EngineError};

use super::SlackState;
use super::standing::Standing;
use crate::chat::{ChatError, Round};

/// How often.
const LOOK: Duration = Duration::from_secs(300);
/// Slack answers such questions about a hundred times a minute; the commands of people ask, too.
const PACE: Duration = Duration::from_secs(1);

/// Looks after whoever leaves.
pub struct LeaversWorker {
    state: SlackState,
    round: Round,
}

impl LeaversWorker {
    /// A worker for the app of the configuration.
    pub fn new(state: SlackState) -> Self {
        Self { state, round: Round::default() }
    }

    /// Works for ever.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(error = ?error, "who has left Slack could not be looked up; trying again");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&mut self) -> Result<(), EngineError> {
        let engine = &self.state.shared.engine;
        engine.catch_up().await?;
        let asked = self.round.next(self.ours(engine.identities_with_sessions().await?), self.ours(engine.identities()));
        for identity in asked {
            let before = engine.before_asking(&identity);
            let Identity::Slack { user, .. } = identity else { continue };
            let wait = match self.state.api.user(&user).await {
                Ok(said) => {
                    let standing = said.standing(&self.state.settings.team_id);
                    self.state.standings.found(&user, standing, engine.uptime());
                    close_for(engine, &self.state.settings.team_id, user, standing, before).await?;
                    PACE
                }
                // What is open goes on: it was given to somebody who was there, and for a time.
                Err(error) => {
                    tracing::warn!(user, %error, "Slack does not say what became of a user");
                    if let ChatError::RateLimited(limit) = error { limit.wait.unwrap_or(PACE).max(PACE) } else { PACE }
                }
            };
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    fn ours(&self, identities: BTreeSet<Identity>) -> BTreeSet<Identity> {
        let is_ours =
            |identity: &Identity| matches!(identity, Identity::Slack { team, .. } if *team == self.state.settings.team_id);
        identities.into_iter().filter(is_ours).collect()
    }
}

/// Closes the sessions of a user whom Slack says to be no active person of our workspace, and serves nobody as them until it says that
/// they are.
pub async fn close_for(
    engine: &Arc<Engine>,
    team: &str,
    user: String,
    standing: Standing,
    before: BeforeAsking,
) -> Result<(), EngineError> {
    let identity = Identity::Slack { team: team.to_owned(), user };
    if standing == Standing::Active {
        return engine.identity_returned(&identity, before).await;
    }
    // Programs and strangers are nobody's, and change every day; whoever is somebody's may not be any more.
    if matches!(standing, Standing::Bot | Standing::Stranger) && engine.directory().member_of(&identity).is_none() {
        return Ok(());
    }
    let ended = engine.identity_left(&identity, Surface::Slack, standing.why()).await?;
    if ended > 0 {
        tracing::info!(%identity, ended, "the sessions of somebody who left Slack are closed");
    }
    Ok(())
}
