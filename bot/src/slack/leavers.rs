//! Closes what whoever has left the workspace has open. Slack tells of it once, and not while we are away; so it is asked, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{Identity, Surface};
use entryguard_core::engine::{Engine, EngineError};

use super::SlackState;
use super::standing::Standing;
use crate::chat::ChatError;

/// How often.
const LOOK: Duration = Duration::from_secs(300);
/// Slack answers such questions about a hundred times a minute; the commands of people ask, too.
const PACE: Duration = Duration::from_secs(1);

/// Looks after whoever leaves.
pub struct LeaversWorker {
    state: SlackState,
}

impl LeaversWorker {
    /// A worker for the app of the configuration.
    pub fn new(state: SlackState) -> Self {
        Self { state }
    }

    /// Works for ever.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(error = ?error, "who has left Slack could not be looked up; trying again");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&self) -> Result<(), EngineError> {
        self.state.shared.engine.catch_up().await?;
        for user in self.users_with_sessions().await? {
            let wait = match self.state.api.user(&user).await {
                Ok(said) => {
                    let standing = said.standing(&self.state.settings.team_id);
                    self.state.standings.set(&user, standing, self.state.shared.engine.now());
                    close_for(&self.state.shared.engine, &self.state.settings.team_id, user, standing).await?;
                    PACE
                }
                // What is open goes on: it was given to somebody who was there, and for a time.
                Err(error) => {
                    tracing::warn!(user, %error, "Slack does not say what became of a user");
                    if let ChatError::RateLimited(Some(wait)) = error { wait.max(PACE) } else { PACE }
                }
            };
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Our workspace's users who have anything open, wherever they asked for it: a deactivated account tells of the person.
    async fn users_with_sessions(&self) -> Result<BTreeSet<String>, EngineError> {
        let mut users = BTreeSet::new();
        for surface in Surface::ALL {
            let identities = self.state.shared.engine.identities_with_sessions_of(surface).await?;
            users.extend(identities.into_iter().filter_map(|identity| match identity {
                Identity::Slack { team, user } if team == self.state.settings.team_id => Some(user),
                _ => None,
            }));
        }
        Ok(users)
    }
}

/// Closes the sessions of a user whom Slack says to be no active person of our workspace.
pub async fn close_for(engine: &Arc<Engine>, team: &str, user: String, standing: Standing) -> Result<(), EngineError> {
    if standing == Standing::Active {
        return Ok(());
    }
    let identity = Identity::Slack { team: team.to_owned(), user };
    let ended = engine.identity_left(&identity, Surface::Slack, standing.why()).await?;
    if ended > 0 {
        tracing::info!(%identity, ended, "the sessions of somebody who left Slack are closed");
    }
    Ok(())
}
