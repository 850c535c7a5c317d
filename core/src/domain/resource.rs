//! What can be opened: resources, and the credentials that reach them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use super::{CredentialName, Network, ResourceName, Span};

/// One thing with an allowlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What people call it.
    pub name: ResourceName,
    /// Where it stands.
    pub network: Network,
    /// What it is.
    pub kind: ResourceKind,
}

/// What a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// An Amazon EC2 security group.
    SecurityGroup(SecurityGroup),
    /// A file of allowed addresses that some program reads.
    AllowlistFile(AllowlistFile),
}

/// An Amazon EC2 security group, and what to open on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// `eu-west-1`.
    pub region: String,
    /// How to reach it.
    pub credential: CredentialName,
    /// The ports that a session opens.
    pub ports: Vec<Ports>,
}

/// A file of allowed addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowlistFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whose language its lines speak.
    pub format: FileFormat,
    /// The command that makes its reader read it again.
    pub after_change: Vec<String>,
    /// How long that command may take.
    pub after_change_timeout: Span,
}

/// The language of an allowlist file's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// One address a line, as HAProxy's ACL files and many others read it.
    Plain,
    /// `allow ADDRESS;`
    Nginx,
    /// `Require ip ADDRESS`
    Apache,
    /// `ALL: ADDRESS`
    HostsAllow,
}

/// A range of ports of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    protocol: Protocol,
    from: u16,
    to: u16,
}

/// What the ports are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Why there is no such range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ports from {from} to {to} are no range; the first must not be above the last")]
pub struct PortsError {
    from: u16,
    to: u16,
}

/// Why a text is no range of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of ports; write `22`, `8000-8010` or `udp 1194`")]
pub struct PortsUnread(String);

impl Ports {
    /// A range from its first to its last port.
    pub fn new(protocol: Protocol, from: u16, to: u16) -> Result<Self, PortsError> {
        if from > to { Err(PortsError { from, to }) } else { Ok(Self { protocol, from, to }) }
    }

    /// The protocol.
    pub const fn protocol(self) -> Protocol {
        self.protocol
    }

    /// The first port.
    pub const fn from(self) -> u16 {
        self.from
    }

    /// The last port.
    pub const fn to(self) -> u16 {
        self.to
    }
}

impl Protocol {
    /// The protocol's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Tcp, Self::Udp].into_iter().find(|protocol| protocol.as_str() == text).ok_or(())
    }
}

/// Reads `22`, `8000-8010`, `udp 1194` and `udp/1194`.
impl FromStr for Ports {
    type Err = PortsUnread;

    fn from_str(text: &str) -> Result<Self, PortsUnread> {
        let wrong = || PortsUnread(text.to_owned());
        let (protocol, range) = text.trim().split_once([' ', '/']).unwrap_or(("tcp", text.trim()));
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let port = |text: &str| text.trim().parse().map_err(|_| wrong());
        Self::new(protocol.parse().map_err(|()| wrong())?, port(from)?, port(to)?).map_err(|_| wrong())
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.as_str();
        if self.from == self.to {
            write!(f, "{protocol} {}", self.from)
        } else {
            write!(f, "{protocol} {}-{}", self.from, self.to)
        }
    }
}

/// A named way to reach a provider; never a stored secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What people call it.
    pub name: CredentialName,
    /// The profile of the machine's AWS configuration to take, rather than the ambient credentials.
    pub profile: Option<String>,
    /// The role to assume with them.
    pub role: Option<AssumedRole>,
    /// Another address of the provider's API.
    pub endpoint_url: Option<String>,
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// `arn:aws:iam::…:role/…`
    pub arn: String,
    /// What the role's owner demands, so that nobody can point us at somebody else's role.
    pub external_id: Option<String>,
}

impl Credential {
    /// What the environment gives, as the provider's own tools take it.
    pub fn ambient(name: CredentialName) -> Self {
        Self { name, profile: None, role: None, endpoint_url: None }
    }
}

impl ResourceKind {
    /// Whether connections that are open already outlive the removal of the rule that let them in.
    pub const fn keeps_open_connections(&self) -> bool {
        match self {
            // EC2 tracks connections, and lets a tracked one go on: for up to five days without traffic.
            Self::SecurityGroup(_) => true,
            // Whether the reader of a file cuts connections is its own affair, and it is asked for each new one.
            Self::AllowlistFile(_) => false,
        }
    }
}

impl Resource {
    /// The provider's own name of the resource: `sg-…`, a path.
    pub fn provider_id(&self) -> String {
        match &self.kind {
            ResourceKind::SecurityGroup(group) => group.id.clone(),
            ResourceKind::AllowlistFile(file) => file.path.display().to_string(),
        }
    }

    /// The provider's and the type's words, as in the configuration.
    pub const fn kind_words(&self) -> (&'static str, &'static str) {
        match self.kind {
            ResourceKind::SecurityGroup(_) => ("aws", "security_group"),
            ResourceKind::AllowlistFile(_) => ("file", "allowlist"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_read_as_they_are_written() {
        for text in ["tcp 22", "udp 1194", "tcp 8000-8010"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
        assert_eq!("5432".parse::<Ports>().unwrap().to_string(), "tcp 5432");
        assert_eq!("udp/53".parse::<Ports>().unwrap().to_string(), "udp 53");
        for text in ["", "ssh", "22-21", "65536", "icmp 8", "-1", "tcp"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
