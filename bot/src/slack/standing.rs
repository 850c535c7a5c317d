//! Who is asking: an active person of our workspace, and nobody else. Slack's signature says which user it is; this says what
//! became of them.

use entryguard_core::domain::{Identity, Span, Timestamp};

use super::SlackState;
use crate::chat::{ChatError, Recent};

/// How long Slack's word on a user is taken for the present truth. A change of theirs comes as an event meanwhile.
const FRESH: Span = Span::from_minutes(15);
/// Slack's answers about a user whom our workspace does not have.
pub(super) const NOT_THERE: [&str; 2] = ["user_not_found", "user_not_visible"];
/// Slack's answers where it is not away, but takes nothing from the app: nobody can be vouched for until that is mended.
pub(super) const NOT_ALLOWED: [&str; 8] = [
    "missing_scope",
    "no_permission",
    "not_authed",
    "invalid_auth",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "access_denied",
];
/// The user that Slack itself writes as.
const SLACKBOT: &str = "USLACKBOT";

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An active person of our workspace.
    Active,
    /// Their account was deactivated.
    Deactivated,
    /// A program.
    Bot,
    /// Somebody of another workspace, here through Slack Connect.
    Stranger,
}

/// What is known of users.
#[derive(Debug, Default)]
pub struct Standings {
    known: Recent<String, Standing>,
}

impl Standing {
    /// What a user is, from what Slack says of them.
    pub const fn of(ours: bool, deleted: bool, bot: bool) -> Self {
        match (ours, deleted, bot) {
            (false, _, _) => Self::Stranger,
            (true, true, _) => Self::Deactivated,
            (true, false, true) => Self::Bot,
            (true, false, false) => Self::Active,
        }
    }

    /// Why such a user is not served, in a few words.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated in Slack",
            Self::Bot => "a bot in Slack",
            Self::Stranger => "of another Slack workspace",
        }
    }

    fn admits(self) -> Result<(), String> {
        match self {
            Self::Active => Ok(()),
            Self::Deactivated => Err("Your Slack account is deactivated, so EntryGuard does nothing for it. \
                 Ask an administrator of your workspace."
                .to_owned()),
            Self::Bot => Err("EntryGuard serves people here, and no bots. A program uses an API key.".to_owned()),
            Self::Stranger => Err("This EntryGuard belongs to another Slack workspace; only its members can use it.".to_owned()),
        }
    }
}

impl Standings {
    /// The identity of a user who may ask, or why they may not.
    pub async fn who(&self, state: &SlackState, team: &str, user: &str) -> Result<Identity, String> {
        if user == SLACKBOT {
            Standing::Bot.admits()?;
        }
        let ours = &state.settings.team_id;
        if team != ours {
            self.by_way_of(state, team, user).await?.admits()?;
        }
        self.of(state, user).await?.admits()?;
        Ok(Identity::Slack { team: ours.clone(), user: user.to_owned() })
    }

    /// Takes Slack's word for what became of a user.
    pub fn set(&self, user: &str, standing: Standing, now: Timestamp) {
        self.put(user, standing, now.plus(FRESH));
    }

    /// Takes what a look at everybody has found. That somebody is active is kept only of those who have asked lately: whoever has not is
    /// asked about when they do.
    pub fn found(&self, user: &str, standing: Standing, now: Timestamp) {
        if standing != Standing::Active || self.known.last(&user.to_owned()).is_some() {
            self.set(user, standing, now);
        }
    }

    /// What a user is, as far as Slack can be asked. Where it cannot, the last word counts, or else its signature: Slack being
    /// slow or away refuses nobody whom it has just let give a command.
    async fn of(&self, state: &SlackState, user: &str) -> Result<Standing, String> {
        let now = state.shared.engine.uptime();
        let known = self.known.last(&user.to_owned());
        Ok(match known {
            Some((standing, until)) if until > now => standing,
            _ => match asked(state, user).await {
                Ok(standing) => {
                    self.set(user, standing, now);
                    standing
                }
                // Slack has answered: it shows us nobody of that name.
                Err(ChatError::Refused(why)) if NOT_THERE.contains(&why.as_str()) => {
                    self.set(user, Standing::Stranger, now);
                    Standing::Stranger
                }
                Err(ChatError::Refused(why)) if NOT_ALLOWED.contains(&why.as_str()) => {
                    tracing::error!(
                        user,
                        why,
                        "Slack does not let us ask who gives commands, so nobody is served; `entryguard check` says what the app lacks"
                    );
                    return Err(format!(
                        "Slack does not let EntryGuard ask who you are ({why}), so nothing was done. Ask an administrator to run \
                         `entryguard check`, which says what the app lacks."
                    ));
                }
                Err(error) => {
                    tracing::warn!(user, %error, "Slack does not say what became of a user; its signature has to do");
                    let standing = known.map_or(Standing::Active, |(standing, _)| standing);
                    // Not asked again at once: whoever types on waits for nothing.
                    self.put(user, standing, now.plus(Span::from_minutes(1)));
                    standing
                }
            },
        })
    }

    /// What a user is to our workspace who comes by way of another one. In an Enterprise Grid organization people are of several
    /// workspaces, and their requests name any of these. Only Slack's present word counts here: the signature says nothing of it.
    async fn by_way_of(&self, state: &SlackState, team: &str, user: &str) -> Result<Standing, String> {
        let (now, name) = (state.shared.engine.uptime(), format!("{team}/{user}"));
        if let Some((standing, _)) = self.known.last(&name).filter(|(_, until)| *until > now) {
            return Ok(standing);
        }
        let standing = match state.api.user(user).await {
            Ok(said) => {
                let standing = said.standing(&state.settings.team_id);
                if said.comes_from(team) { standing } else { Standing::Stranger }
            }
            Err(ChatError::Refused(_)) => Standing::Stranger,
            Err(error) => {
                tracing::warn!(user, team, %error, "Slack does not say whether a user of another workspace is of ours, too");
                return Err(
                    "Slack does not say right now whether you belong to the workspace that EntryGuard serves. Try again in a \
                            minute."
                        .to_owned(),
                );
            }
        };
        self.put(&name, standing, now.plus(FRESH));
        Ok(standing)
    }

    fn put(&self, user: &str, standing: Standing, until: Timestamp) {
        self.known.put(user.to_owned(), standing, until);
    }
}

/// What Slack says of a user. That they are active may be news: the event that said so may have been lost.
async fn asked(state: &SlackState, user: &str) -> Result<Standing, ChatError> {
    let engine = &state.shared.engine;
    let identity = Identity::Slack { team: state.settings.team_id.clone(), user: user.to_owned() };
    let before = engine.before_asking(&identity);
    let standing = state.api.user(user).await?.standing(&state.settings.team_id);
    if standing == Standing::Active
        && let Err(error) = engine.identity_returned(&identity, before).await
    {
        tracing::warn!(user, error = ?error, "it could not be noted that a user is active; their next command tries again");
    }
    Ok(standing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_person_of_our_workspace_is_served() {
        assert!(Standing::of(true, false, false).admits().is_ok());
        for (ours, deleted, bot) in [(false, false, false), (true, true, false), (true, false, true), (false, true, true)] {
            assert!(Standing::of(ours, deleted, bot).admits().is_err());
        }
    }
}
