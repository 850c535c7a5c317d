//! GitHub's teams as roles: asked about everybody whose login is known, at the start, every five minutes, and when a login is joined.
//! Silence is noticed apart from the asking, which takes as long as GitHub does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entryguard_core::config::GithubSettings;
use entryguard_core::domain::{Identity, RoleIdentity, Span, Timestamp};
use entryguard_core::engine::{Engine, EngineError};
use entryguard_outgoing::{GithubClient, NoClient};
use futures_util::future::join;
use octocrab::Octocrab;
use serde::Deserialize;

/// How often.
const LOOK: Duration = Duration::from_secs(300);
/// How long GitHub's word is taken for the present truth while it does not answer: after that, nobody is in any team.
const STALE: Span = Span::from_minutes(15);
/// How often to see whose that is of.
const SEE: Duration = Duration::from_secs(30);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is in which team.
pub struct Teams {
    engine: Arc<Engine>,
    github: Octocrab,
    began: Timestamp,
    answered: Mutex<BTreeMap<Identity, Timestamp>>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
}

impl Teams {
    /// With the token of the configuration; none where there is none.
    pub fn new(engine: Arc<Engine>, settings: &GithubSettings) -> Result<Option<Self>, NoClient> {
        let Some(token) = &settings.token else { return Ok(None) };
        let github = GithubClient { url: &settings.api_url, token: Some(token), accept: None, patience: PATIENCE }.build()?;
        let began = engine.uptime();
        Ok(Some(Self { engine, github, began, answered: Mutex::default() }))
    }

    /// Works for ever.
    pub async fn run(self: Arc<Self>) {
        join(self.ask_for_ever(), self.expire_for_ever()).await;
    }

    async fn ask_for_ever(&self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(error = ?error, "who is in which team of GitHub could not be looked up; trying again");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn expire_for_ever(&self) {
        loop {
            tokio::time::sleep(SEE).await;
            if let Err(error) = self.expire().await {
                tracing::error!(error = ?error, "what GitHub said too long ago could not be taken back; trying again");
            }
        }
    }

    async fn look(&self) -> Result<(), EngineError> {
        self.engine.catch_up().await?;
        let directory = self.engine.directory();
        let known = directory.members.values().flat_map(|member| member.identities.clone()).chain(self.engine.role_holders());
        let logins: BTreeSet<_> = known.filter(is_login).collect();
        for identity in logins {
            self.look_at(&identity).await?;
        }
        Ok(())
    }

    /// Takes back what nobody has confirmed for too long, also while GitHub keeps us waiting for somebody else's answer.
    async fn expire(&self) -> Result<(), EngineError> {
        self.engine.catch_up().await?;
        for identity in self.engine.role_holders().into_iter().filter(is_login) {
            if self.answered(&identity).unwrap_or(self.began).plus(STALE) <= self.engine.uptime() {
                tracing::warn!(%identity, "GitHub has not said for too long in which teams somebody is, so they are in none");
                self.engine.identity_holds(&identity, &BTreeSet::new()).await?;
            }
        }
        Ok(())
    }

    /// Asks about one person. Where GitHub does not answer, what it said a short while ago holds; what it said before a restart does not.
    pub async fn look_at(&self, identity: &Identity) -> Result<(), EngineError> {
        let Identity::GithubUser(id) = identity else { return Ok(()) };
        let now = self.engine.uptime();
        match self.teams_of(*id).await {
            Ok(teams) => {
                self.answers().insert(identity.clone(), now);
                self.engine.identity_holds(identity, &teams).await
            }
            Err(error) => {
                tracing::warn!(%identity, %error, "GitHub does not say in which teams somebody is");
                match self.answered(identity).is_some_and(|at| at.plus(STALE) > self.engine.uptime()) {
                    true => Ok(()),
                    false => self.engine.identity_holds(identity, &BTreeSet::new()).await,
                }
            }
        }
    }

    fn answered(&self, identity: &Identity) -> Option<Timestamp> {
        self.answers().get(identity).copied()
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<Identity, Timestamp>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn teams_of(&self, id: u64) -> Result<BTreeSet<RoleIdentity>, octocrab::Error> {
        let user: User = match self.github.get(format!("/user/{id}"), None::<&()>).await {
            Err(error) if is_not_found(&error) => return Ok(BTreeSet::new()),
            other => other?,
        };
        let mut teams = BTreeSet::new();
        let directory = self.engine.directory();
        let named = directory.roles.values().flat_map(|role| role.identities.clone()).collect::<BTreeSet<_>>();
        for identity in named {
            let RoleIdentity::GithubTeam { organization, team } = &identity else { continue };
            let path = format!("/orgs/{organization}/teams/{team}/memberships/{}", user.login);
            match self.github.get::<Membership, _, _>(path, None::<&()>).await {
                Ok(membership) if membership.state == "active" => drop(teams.insert(identity.clone())),
                Ok(_) => {}
                Err(error) if is_not_found(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(teams)
    }
}

fn is_not_found(error: &octocrab::Error) -> bool {
    matches!(error, octocrab::Error::GitHub { source, .. } if source.status_code.as_u16() == 404)
}

fn is_login(identity: &Identity) -> bool {
    matches!(identity, Identity::GithubUser(_))
}

#[cfg(test)]
#[path = "teams_tests.rs"]
mod tests;
