//! What surfaces have told of people since the configuration was read: who they are elsewhere, and which of a surface's own roles
//! they hold. The configuration and this together say who may reach what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::{Directory, Identity, Member, MemberName};

/// How a surface names those whom a role holds: `discord-role:GUILD/ROLE`, `github-team:ORGANIZATION/TEAM`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum RoleIdentity {
    /// Whoever holds a role of a Discord guild.
    Discord {
        /// The guild's id.
        guild: u64,
        /// The role's id.
        role: u64,
    },
    /// Whoever is in a team of a GitHub organization.
    GithubTeam {
        /// The organization's name.
        organization: String,
        /// The team's slug.
        team: String,
    },
}

/// Why a text names no role of a surface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an identity of a role; write `discord-role:GUILD/ROLE`, with the ids that Discord's Developer Mode copies (a \
     server's own is no role's), or `github-team:ORGANIZATION/TEAM`"
)]
pub struct RoleIdentityError(String);

/// What surfaces have told of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Identities that people joined to a member.
    pub joined: BTreeMap<Identity, MemberName>,
    /// The surfaces' roles that an identity was last seen to hold.
    pub held: BTreeMap<Identity, BTreeSet<RoleIdentity>>,
    /// Identities whose surface says that their person is gone, and has not said otherwise since.
    pub departed: BTreeSet<Identity>,
}

impl Directory {
    /// The directory with what is known of people. Whoever holds a role, and is nobody's, is a member by that alone.
    pub fn knowing(&self, known: &Known) -> Self {
        let mut directory = self.clone();
        for (identity, name) in &known.joined {
            // The configuration comes first: what it gives to somebody is not somebody else's.
            if self.member_of(identity).is_none()
                && let Some(member) = directory.members.get_mut(name)
            {
                member.identities.push(identity.clone());
            }
        }
        for (identity, held) in &known.held {
            let given: Vec<_> = self.roles.values().filter(|role| role.identities.iter().any(|one| held.contains(one))).collect();
            let Some(member) = directory.member_of(identity).map(|member| member.name.clone()).or_else(|| guest_name(identity))
            else {
                continue;
            };
            if given.is_empty() {
                continue;
            }
            directory.members.entry(member.clone()).or_insert_with(|| guest(member.clone(), identity));
            for role in given {
                let holds = directory.roles.get_mut(&role.name).filter(|role| !role.members.contains(&member));
                holds.into_iter().for_each(|role| role.members.push(member.clone()));
            }
        }
        directory
    }

    /// By which of a member's identities they are gone, if they are.
    pub fn gone_by(&self, member: &MemberName, departed: &BTreeSet<Identity>) -> Option<&Identity> {
        let member = self.members.get(member)?;
        member.identities.iter().find(|identity| departed.contains(identity) && is_all_of(identity, member))
    }

    /// Whether any role is given by this role of a surface.
    pub fn names_role(&self, identity: &RoleIdentity) -> bool {
        self.roles.values().any(|role| role.identities.contains(identity))
    }
}

/// Whether a member is gone when one identity of theirs is. A deactivated account tells of the person. Who leaves a Discord server may
/// still be what they are elsewhere, if they are.
pub fn is_all_of(identity: &Identity, member: &Member) -> bool {
    let is_discord = |identity: &Identity| matches!(identity, Identity::Discord { .. });
    !is_discord(identity) || member.identities.iter().all(is_discord)
}

/// Whether a name is of somebody whom only a surface's role makes a member.
pub fn is_guest(name: &MemberName) -> bool {
    let id = name.as_str().strip_prefix(GUEST);
    id.is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_digit()))
}

/// What stands before the id of a Discord user whom the configuration does not name.
const GUEST: &str = "discord-";

/// The name of whoever a role alone makes a member; none where roles make none of them.
pub fn guest_name(identity: &Identity) -> Option<MemberName> {
    match identity {
        // Their id: names can be changed, and taken by others.
        Identity::Discord { user, .. } => MemberName::new(format!("{GUEST}{user}")).ok(),
        Identity::Slack { .. }
        | Identity::Github(_)
        | Identity::GithubUser(_)
        | Identity::ApiKey(_)
        | Identity::Oidc { .. }
        | Identity::OidcEmail { .. }
        | Identity::Local => None,
    }
}

fn guest(name: MemberName, identity: &Identity) -> Member {
    Member { name, email: None, admin: false, identities: vec![identity.clone()] }
}

impl FromStr for RoleIdentity {
    type Err = RoleIdentityError;

    fn from_str(text: &str) -> Result<Self, RoleIdentityError> {
        let refused = || RoleIdentityError(text.to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(refused)?;
        let (one, other) = rest.split_once('/').ok_or_else(refused)?;
        let is_slug = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let id = |text: &str| text.parse::<u64>().ok().filter(|id| *id > 0).ok_or_else(refused);
        match kind {
            "discord-role" => {
                let (guild, role) = (id(one)?, id(other)?);
                // The role that bears its server's id is @everyone, and Discord names nobody who holds it.
                if guild == role { Err(refused()) } else { Ok(Self::Discord { guild, role }) }
            }
            "github-team" if is_slug(one) && is_slug(other) => {
                Ok(Self::GithubTeam { organization: one.to_owned(), team: other.to_owned() })
            }
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for RoleIdentity {
    type Error = RoleIdentityError;

    fn try_from(text: String) -> Result<Self, RoleIdentityError> {
        text.parse()
    }
}

impl fmt::Display for RoleIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discord { guild, role } => write!(f, "discord-role:{guild}/{role}"),
            Self::GithubTeam { organization, team } => write!(f, "github-team:{organization}/{team}"),
        }
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
