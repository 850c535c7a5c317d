//! The part of the pages' seals that is in the configuration: its own key, or what the configuration's other secrets come to.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha512};

use super::secret::{SecretSource, Secrets};
use super::{ConfigError, DiscordSettings, GithubSettings, OidcSettings, SlackSettings};

/// No key is shorter: it must not be guessed from what it sealed.
const SHORTEST: usize = 32;

/// `[server] key`, if there is one.
pub(super) fn own_key(key: Option<SecretSource>, secrets: &Secrets<'_>) -> Result<Option<SecretString>, ConfigError> {
    let Some(key) = key.map(|source| source.resolve("[server] key", secrets)).transpose()? else { return Ok(None) };
    if key.expose_secret().len() < SHORTEST {
        let why = format!(
            "[server] key has fewer than {SHORTEST} characters, and could be guessed; make one with `openssl rand -hex 32`"
        );
        return Err(ConfigError::senseless(why));
    }
    Ok(Some(key))
}

/// What stands in for it where the database is Postgres, whose replicas share nothing but their configuration. It is another one when one
/// of the secrets is replaced. Nothing where the configuration has none.
pub(super) fn of_secrets(
    database: &SecretString,
    slack: Option<&SlackSettings>,
    discord: Option<&DiscordSettings>,
    github: Option<&GithubSettings>,
    oidc: Option<&OidcSettings>,
) -> Option<SecretString> {
    let slack = slack.into_iter().flat_map(|slack| slack.signing_secrets.iter().chain([&slack.bot_token]));
    let github = github.into_iter().flat_map(|github| {
        let login = github.login.as_ref().map(|login| &login.client_secret);
        [github.token.as_ref(), github.webhook_secret.as_ref(), login].into_iter().flatten()
    });
    let chats = slack.chain(discord.map(|discord| &discord.bot_token)).chain(github);
    let all = chats.chain(oidc.map(|oidc| &oidc.client_secret)).map(ExposeSecret::expose_secret);
    let all: Vec<&str> = all.chain(password(database.expose_secret())).collect();
    if all.is_empty() {
        return None;
    }
    let mut hash = Sha512::new();
    for secret in all {
        hash.update(format!("{}\0{secret}", secret.len()));
    }
    Some(SecretString::from(hex::encode(hash.finalize())))
}

/// The password alone: replicas may reach one database by different names.
fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (person, _) = rest.split('/').next()?.rsplit_once('@')?;
    person.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Option<String> {
        of_secrets(&SecretString::from(url), None, None, None, None).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn replicas_that_share_a_password_share_the_key_and_without_any_secret_there_is_none() {
        assert_eq!(of("postgres://e:p4ss@one/e"), of("postgres://f:p4ss@two:5432/e?sslmode=require"));
        assert_ne!(of("postgres://e:p4ss@one/e"), of("postgres://e:p5ss@one/e"));
        for without in ["postgres://e@one/e", "postgres://one/e", "postgres://e:@one/e", "postgres://one/e?x=a:b@c"] {
            assert_eq!(of(without), None, "{without}");
        }
    }

    #[test]
    fn a_key_that_could_be_guessed_is_refused() {
        let key = |text: &str| {
            let text = text.to_owned();
            let env = move |_: &str| Some(text.clone());
            own_key(Some(SecretSource::Env("KEY".to_owned())), &Secrets::new(&env))
        };
        assert!(key(&"0a".repeat(32)).unwrap().is_some());
        assert!(key("hunter2").unwrap_err().to_string().contains("openssl rand"));
    }
}
