//! How a surface names a member.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// A Slack workspace.
    Slack,
    /// A Discord guild.
    Discord,
    /// A GitHub Actions workflow.
    Github,
    /// The HTTP API.
    Api,
    /// The pages.
    Web,
    /// The command line.
    Cli,
    /// A schedule of the configuration.
    Schedule,
}

impl Surface {
    /// Every surface.
    pub const ALL: [Self; 7] = [Self::Slack, Self::Discord, Self::Github, Self::Api, Self::Web, Self::Cli, Self::Schedule];

    /// The surface's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Github => "github",
            Self::Api => "api",
            Self::Web => "web",
            Self::Cli => "cli",
            Self::Schedule => "schedule",
        }
    }

    /// The surface of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|surface| surface.as_str() == text)
    }
}

/// How a surface names a member: `slack:T…/U…`, `discord:GUILD/USER`, `github-user:…`, `github:…`, `api-key:…`, `oidc:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Identity {
    /// A user of a Slack workspace.
    Slack {
        /// The workspace's id.
        team: String,
        /// The user's id.
        user: String,
    },
    /// A user of a Discord guild.
    Discord {
        /// The guild's id.
        guild: String,
        /// The user's id.
        user: String,
    },
    /// The claims that a GitHub workflow must show.
    Github(String),
    /// A person's login at GitHub, by its id: names can be changed, and taken by others.
    GithubUser(u64),
    /// An API key's name.
    ApiKey(String),
    /// A person of an OpenID Connect issuer.
    Oidc {
        /// The issuer's host, with its port where it has one.
        issuer: String,
        /// What the issuer calls them, for ever: its `sub`.
        subject: String,
    },
    /// Whoever an issuer says to own an email address. Only `match_email` makes one, and only a member's own address is one's.
    OidcEmail {
        /// The issuer's host.
        issuer: String,
        /// The address, in lower case.
        email: String,
    },
    /// Whoever sits at the machine that runs the demo.
    Local,
}

impl Identity {
    /// The chat that it is known in, if it is one in which somebody can be written to.
    pub const fn chat(&self) -> Option<Surface> {
        match self {
            Self::Slack { .. } => Some(Surface::Slack),
            Self::Discord { .. } => Some(Surface::Discord),
            Self::Github(_)
            | Self::GithubUser(_)
            | Self::ApiKey(_)
            | Self::Oidc { .. }
            | Self::OidcEmail { .. }
            | Self::Local => None,
        }
    }
}

/// Why a text is no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an identity; write `slack:TEAM/USER`, `discord:GUILD/USER`, `github-user:ID`, `github:CLAIM=VALUE;…`, \
     `oidc:ISSUER_HOST/SUB` or `api-key:NAME`"
)]
pub struct IdentityError(String);

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let refused = || IdentityError(text.to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(refused)?;
        let pair = || rest.split_once('/').filter(|(a, b)| is_plain(a) && is_plain(b)).ok_or_else(refused);
        match kind {
            "slack" => pair().map(|(team, user)| Self::Slack { team: team.to_owned(), user: user.to_owned() }),
            "discord" => pair().map(|(guild, user)| Self::Discord { guild: guild.to_owned(), user: user.to_owned() }),
            "github" if rest.contains('=') => Ok(Self::Github(rest.to_owned())),
            "github-user" => rest.parse().ok().filter(|id| *id > 0).map(Self::GithubUser).ok_or_else(refused),
            "api-key" if is_plain(rest) => Ok(Self::ApiKey(rest.to_owned())),
            "oidc" => named_by_issuer(rest)
                .map(|(issuer, subject)| Self::Oidc { issuer: issuer.to_owned(), subject: subject.to_owned() })
                .ok_or_else(refused),
            "oidc-email" => named_by_issuer(rest)
                .filter(|(_, email)| email.contains('@') && !email.contains(|c: char| c.is_ascii_uppercase()))
                .map(|(issuer, email)| Self::OidcEmail { issuer: issuer.to_owned(), email: email.to_owned() })
                .ok_or_else(refused),
            "local" if rest == "demo" => Ok(Self::Local),
            _ => Err(refused()),
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

/// An issuer's host, and what it calls somebody: up to 255 visible characters (which may include `/`), and none that would end a text
/// in the configuration.
fn named_by_issuer(text: &str) -> Option<(&str, &str)> {
    let (host, name) = text.split_once('/')?;
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c));
    let is_name = (1..=255).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic() && !"\"\\`".contains(c));
    (is_host && is_name).then_some((host, name))
}

impl TryFrom<String> for Identity {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, IdentityError> {
        text.parse()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack { team, user } => write!(f, "slack:{team}/{user}"),
            Self::Discord { guild, user } => write!(f, "discord:{guild}/{user}"),
            Self::Github(claims) => write!(f, "github:{claims}"),
            Self::GithubUser(id) => write!(f, "github-user:{id}"),
            Self::ApiKey(name) => write!(f, "api-key:{name}"),
            Self::Oidc { issuer, subject } => write!(f, "oidc:{issuer}/{subject}"),
            Self::OidcEmail { issuer, email } => write!(f, "oidc-email:{issuer}/{email}"),
            Self::Local => f.write_str("local:demo"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_written_as_they_are_read() {
        for text in [
            "slack:T0123456/U111",
            "discord:42/77",
            "github:repository=acme/api;environment=production",
            "github-user:583231",
            "api-key:ci",
            "oidc:login.example.com/auth0|5f7c8ec7c33c6c004bbafe82",
            "oidc:127.0.0.1:8080/a/b",
            "oidc-email:login.example.com/ana@example.com",
        ] {
            assert_eq!(text.parse::<Identity>().unwrap().to_string(), text);
        }
        for text in ["slack:U111", "slack:T/", "ana", "slack:T/U/V", "telegram:1/2", "github:", "github-user:ana", "slack:T/U 1"]
        {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
        for text in
            ["oidc:host", "oidc:/sub", "oidc:host/", "oidc:host/a b", "oidc:host/a\"b", "oidc:ho st/a", "oidc-email:h/Ana@x.y"]
        {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }
}
