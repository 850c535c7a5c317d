//! The action's inputs, as the runner hands them over: `INPUT_NAME`, in upper case, with its hyphens.

use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use entryguard_core::domain::{Ports, PortsUnread, Span};
use secrecy::{ExposeSecret, SecretString};

use crate::comment::Job;
use crate::pull_request::PullRequest;

/// What the workflow says.
#[derive(Args, Debug)]
pub struct Inputs {
    /// The server; empty: none.
    #[arg(long, env = "INPUT_URL", default_value = "")]
    pub url: String,
    /// What to show the server rather than GitHub's token.
    #[arg(long, env = "INPUT_API-KEY", default_value = "", hide_env_values = true)]
    pub api_key: SecretString,
    /// Without a server: the security groups to open, with spaces or commas between them.
    #[arg(long, env = "INPUT_SECURITY-GROUPS", default_value = "")]
    pub security_groups: String,
    /// Without a server: where they are; empty: as the environment says.
    #[arg(long, env = "INPUT_REGION", default_value = "")]
    pub region: String,
    /// Without a server: what to open on them, with commas between several.
    #[arg(long, env = "INPUT_PORTS", default_value = "")]
    pub ports: String,
    /// Without a server: who is asked for the runner's address.
    #[arg(long, env = "INPUT_ADDRESS-SERVICES", default_value = "")]
    pub address_services: String,
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
    #[arg(long, env = "INPUT_WAIT", default_value = "true", action = clap::ArgAction::Set, value_parser = flag)]
    pub wait: bool,
    /// How long.
    #[arg(long, env = "INPUT_TIMEOUT", default_value = "2m")]
    pub timeout: Span,
    /// Whether a session that is only PARTIAL fails the step.
    #[arg(long, env = "INPUT_FAIL-ON-PARTIAL", default_value = "true", action = clap::ArgAction::Set, value_parser = flag)]
    pub fail_on_partial: bool,
    /// Who is told beside the log.
    #[command(flatten)]
    pub telling: Telling,
}

/// Whom a step tells how the session is, beside whoever reads its log.
#[derive(Args, Clone, Debug, Default)]
pub struct Telling {
    /// Whether to comment on the pull request.
    #[arg(long, env = "INPUT_COMMENT", default_value = "false", action = clap::ArgAction::Set, value_parser = flag)]
    pub comment: bool,
    /// What comments are written with.
    #[arg(long, env = "INPUT_GITHUB-TOKEN", default_value = "", hide_env_values = true)]
    pub github_token: SecretString,
    /// Which of a matrix's jobs this is, as the runner says it in JSON.
    #[arg(long, env = "INPUT_MATRIX", default_value = "")]
    pub matrix: String,
}

/// Who opens.
#[derive(Debug, PartialEq, Eq)]
pub enum Mode {
    /// A server.
    Server,
    /// This program, with the credentials of the environment.
    Serverless(Groups),
}

/// What a job opens without a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The security groups' ids.
    pub ids: Vec<String>,
    /// Where they are.
    pub region: String,
    /// What to open on them.
    pub ports: Vec<Ports>,
}

/// Why the inputs say nothing that could be done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InputError {
    /// Nothing to open anything with.
    #[error(
        "`url` is missing: the address of your EntryGuard server, such as https://entryguard.example.com. \
         Without a server, name `security-groups` and `ports`."
    )]
    NoUrl,
    /// Both at once.
    #[error("give `url`, or `security-groups` to do without a server, not both: the server knows which resources to open")]
    Both,
    /// Not a security group.
    #[error("`{0}` is not a security group's id, such as sg-0123456789abcdef0")]
    NotAGroup(String),
    /// Nothing to open.
    #[error("`ports` is missing: what to open on the security groups, such as `22, 5432`")]
    NoPorts,
    /// Not ports.
    #[error("ports: {0}")]
    Ports(#[from] PortsUnread),
    /// Nowhere.
    #[error("`region` is missing: where the security groups are, such as eu-west-1")]
    NoRegion,
}

/// Addresses given by hand: one of each family at the most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The IPv4 address.
    pub v4: Option<String>,
    /// The IPv6 address.
    pub v6: Option<String>,
}

impl Telling {
    /// The pull request to comment on, if there is one and that is wanted.
    pub fn pull_request(&self) -> Option<PullRequest> {
        let wanted = self.comment && !self.github_token.expose_secret().is_empty();
        PullRequest::of_this_job(&self.github_token, Job::of_the_environment(&self.matrix)).filter(|_| wanted)
    }
}

impl Inputs {
    /// Who opens; `environment` is the region that the environment names.
    pub fn mode(&self, environment: Option<String>) -> Result<Mode, InputError> {
        let ids: Vec<_> = words(&self.security_groups).map(str::to_owned).collect();
        match (self.url.is_empty(), ids.is_empty()) {
            (true, true) => return Err(InputError::NoUrl),
            (false, false) => return Err(InputError::Both),
            (false, true) => return Ok(Mode::Server),
            (true, false) => {}
        }
        if let Some(id) = ids.iter().find(|id| !is_group(id)) {
            return Err(InputError::NotAGroup(id.clone()));
        }
        let ports = self.ports.split([',', '\n']).filter(|text| !text.trim().is_empty()).map(str::parse);
        let ports: Vec<Ports> = ports.collect::<Result<_, _>>()?;
        let named = Some(self.region.clone()).filter(|region| !region.is_empty());
        match named.or(environment) {
            _ if ports.is_empty() => Err(InputError::NoPorts),
            None => Err(InputError::NoRegion),
            Some(region) => Ok(Mode::Serverless(Groups { ids, region, ports })),
        }
    }

    /// Whom the token is for.
    pub fn audience(&self) -> &str {
        if self.audience.is_empty() { self.url.trim_end_matches('/') } else { &self.audience }
    }
}

/// The words of a list with spaces, commas or new lines between them.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\n', '\r', '\t']).filter(|word| !word.is_empty())
}

/// A flag as GitHub's own toolkit reads one: YAML's words for it.
fn flag(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

fn is_group(id: &str) -> bool {
    id.strip_prefix("sg-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses = Self::default();
        for word in words(text) {
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        inputs: Inputs,
    }

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
    fn a_flag_is_one_of_yamls_words_for_it() {
        let read = |text: &str| {
            let line = ["line", "--wait", text, "--fail-on-partial", text, "--comment", text];
            Line::try_parse_from(line).map(|Line { inputs }| (inputs.wait, inputs.fail_on_partial, inputs.telling.comment))
        };
        for text in ["true", "True", "TRUE", " true "] {
            assert_eq!(read(text).unwrap(), (true, true, true), "{text}");
        }
        for text in ["false", "False", "FALSE"] {
            assert_eq!(read(text).unwrap(), (false, false, false), "{text}");
        }
        for text in ["yes", "1", "tRUE", "on", "\"true\""] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_server_groups_ports_and_a_region_are_needed() {
        let mode = |arguments: &[&str], environment: Option<&str>| {
            let inputs = Line::parse_from([&["line"], arguments].concat()).inputs;
            inputs.mode(environment.map(str::to_owned))
        };
        let groups = ["--security-groups", "sg-1a,sg-2b", "--ports", "22, tcp 5432"];
        let both = ["tcp 22", "tcp 5432"].map(|ports| ports.parse().unwrap()).to_vec();
        let opened = Groups { ids: vec!["sg-1a".into(), "sg-2b".into()], region: "eu-west-1".into(), ports: both };
        assert_eq!(mode(&groups, Some("eu-west-1")), Ok(Mode::Serverless(opened)));
        assert_eq!(mode(&groups, None), Err(InputError::NoRegion));
        assert_eq!(mode(&groups[..2], Some("eu-west-1")), Err(InputError::NoPorts));
        assert_eq!(mode(&["--security-groups", "web"], None), Err(InputError::NotAGroup("web".into())));
        assert_eq!(mode(&[], None), Err(InputError::NoUrl));
        assert_eq!(mode(&["--url", "https://guard.example.com"], None), Ok(Mode::Server));
        assert_eq!(mode(&[&groups[..], &["--url", "https://guard.example.com"]].concat(), None), Err(InputError::Both));
    }
}
