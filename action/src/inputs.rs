//! The action's inputs, as the runner hands them over: `INPUT_NAME`, in upper case, with its hyphens.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::pull_request::PullRequest;

/// What the workflow says.
#[derive(Args, Debug)]
pub struct Inputs {
    /// The server.
    #[arg(long, env = "INPUT_URL", default_value = "")]
    pub url: String,
    /// Whom the token is for; empty: the server.
    #[arg(long, env = "INPUT_AUDIENCE", default_value = "")]
    pub audience: String,
    /// How long the session lasts.
    #[arg(long, env = "INPUT_DURATION", default_value = "1h")]
    pub duration: String,
    /// The runner's addresses; empty: what the server sees.
    #[arg(long, env = "INPUT_IP", default_value = "")]
    pub ip: Addresses,
    /// Why.
    #[arg(long, env = "INPUT_REASON", default_value = "")]
    pub reason: String,
    /// Whether to wait until the session is ACTIVE.
    #[arg(long, env = "INPUT_WAIT", default_value = "true", action = clap::ArgAction::Set)]
    pub wait: bool,
    /// How long.
    #[arg(long, env = "INPUT_TIMEOUT", default_value = "2m")]
    pub timeout: Patience,
    /// Whether a session that is only PARTIAL fails the step.
    #[arg(long, env = "INPUT_FAIL-ON-PARTIAL", default_value = "true", action = clap::ArgAction::Set)]
    pub fail_on_partial: bool,
    /// Whether to comment on the pull request.
    #[arg(long, env = "INPUT_COMMENT", default_value = "false", action = clap::ArgAction::Set)]
    pub comment: bool,
    /// What comments are written with.
    #[arg(long, env = "INPUT_GITHUB-TOKEN", default_value = "", hide_env_values = true)]
    pub github_token: SecretString,
}

/// Addresses given by hand: one of each family at the most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The IPv4 address.
    pub v4: Option<String>,
    /// The IPv6 address.
    pub v6: Option<String>,
}

/// How long to wait, `90s` or `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(pub Duration);

impl Inputs {
    /// The pull request to comment on, if there is one and that is wanted.
    pub fn pull_request(&self) -> Option<PullRequest> {
        let wanted = self.comment && !self.github_token.expose_secret().is_empty();
        PullRequest::of_this_job(&self.github_token).filter(|_| wanted)
    }

    /// Whom the token is for.
    pub fn audience(&self) -> &str {
        if self.audience.is_empty() { self.url.trim_end_matches('/') } else { &self.audience }
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses = Self::default();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let address: IpAddr =
                word.parse().map_err(|_| format!("`{word}` is not an address; give one, such as 93.184.216.34"))?;
            let place = if address.is_ipv4() { &mut addresses.v4 } else { &mut addresses.v6 };
            if place.replace(address.to_string()).is_some() {
                return Err("give one address of each family at the most".to_owned());
            }
        }
        Ok(addresses)
    }
}

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a duration; write `90s` or `2m`");
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let number: u64 = number.trim().parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "s" => number,
            "m" => number * 60,
            _ => return Err(wrong()),
        };
        Ok(Self(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_one_of_each_family_at_the_most() {
        let both: Addresses = "93.184.216.34, 2606::1".parse().unwrap();
        assert_eq!((both.v4.as_deref(), both.v6.as_deref()), (Some("93.184.216.34"), Some("2606::1")));
        assert_eq!("".parse(), Ok(Addresses::default()));
        for text in ["93.184.216.34 93.184.216.35", "example.com", "93.184.216.0/24"] {
            assert!(text.parse::<Addresses>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_timeout_has_a_unit() {
        assert_eq!("90s".parse(), Ok(Patience(Duration::from_secs(90))));
        assert_eq!("2m".parse(), Ok(Patience(Duration::from_secs(120))));
        for text in ["", "2", "m", "2h", "-1s", "1.5m"] {
            assert!(text.parse::<Patience>().is_err(), "{text}");
        }
    }
}
