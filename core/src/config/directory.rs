//! From the file's tables to a [`Directory`]: every name that is used is defined, once, and every value goes with its neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::PathBuf;

use super::ConfigError;
use super::file::{self, File, Remember, ResourceProvider, ResourceType};
use super::url::{UrlUse, read_url};
use crate::domain::foreign_text::one_line;
use crate::domain::{
    AllowlistFile, ApprovalRule, Approver, AssumedRole, ClaimPattern, Credential, CredentialName, Directory, FileFormat,
    Identity, Member, Network, Organization, Ports, REMEMBERED_FOR, Resource, ResourceKind, Role, RoleName, SecurityGroup, Span,
    Tier, is_guest,
};

/// How long a command after a change may take where nothing is said.
const AFTER_CHANGE_TIMEOUT: Span = Span::from_seconds(10);
/// The longest that it may take: a removal and an addition have to end within one pass.
const LONGEST_AFTER_CHANGE: Span = Span::from_seconds(20);

pub(super) fn directory(file: File) -> Result<Directory, ConfigError> {
    let tier = tier(file.tier, &file.organization)?;
    let credentials = file.credential.into_iter().map(credential).collect::<Result<Vec<_>, _>>()?;
    let credentials = by_name("credential", credentials.into_iter(), |c| &c.name)?;
    let resources: Vec<_> =
        file.resource.into_iter().map(|resource| self::resource(resource, &credentials)).collect::<Result<_, _>>()?;
    let resources = by_name("resource", resources.into_iter(), |r| &r.name)?;
    no_two_on_one_list(&resources)?;
    let members = by_name("member", file.member.into_iter().map(member), |m| &m.name)?;
    if let Some(name) = members.keys().find(|name| is_guest(name)) {
        let why =
            format!("member {name}: names like this are kept for whoever only a role of Discord makes a member; give another");
        return Err(ConfigError::senseless(why));
    }
    let role_names: BTreeSet<_> = file.role.iter().map(|role| role.name.to_string()).collect();
    let roles = file.role.into_iter().map(|role| self::role(role, &role_names, &members)).collect::<Result<Vec<_>, _>>()?;
    let roles = by_name("role", roles.into_iter(), |r| &r.name)?;
    for role in roles.values() {
        known("member", &format!("role {}", role.name), &role.members, &members)?;
        known("resource", &format!("role {}", role.name), &role.resources, &resources)?;
    }
    one_member_an_identity(&members)?;
    claims_pin_a_repository(&members)?;
    let organization = Organization { name: one_line(&file.organization.name), tier };
    let directory =
        Directory { organization, members, roles, resources, credentials, schedules: BTreeMap::new(), emails_from: None };
    let schedules = super::schedule::schedules(file.schedule, &directory)?;
    Ok(Directory { schedules, ..directory })
}

impl Directory {
    /// The same, where an issuer's word on an email address makes somebody the member who has it: no two may have the same.
    pub(super) fn with_emails_from(self, issuer: Option<String>) -> Result<Self, ConfigError> {
        let mut owners = BTreeMap::new();
        for member in self.members.values().filter(|_| issuer.is_some()) {
            let Some(email) = &member.email else { continue };
            if let Some(other) = owners.insert(email.to_ascii_lowercase(), &member.name) {
                let why =
                    format!("email {email} is of {other} and of {}; with [oidc] match_email it has to be of one", member.name);
                return Err(ConfigError::senseless(why));
            }
        }
        Ok(Self { emails_from: issuer, ..self })
    }
}

fn tier(tiers: Vec<file::Tier>, organization: &file::Organization) -> Result<Tier, ConfigError> {
    let tiers = by_name("tier", tiers.into_iter(), |tier| &tier.name)?;
    let wanted = &organization.tier;
    let names: Vec<_> = tiers.keys().map(ToString::to_string).collect();
    let tier = tiers.into_iter().find_map(|(name, tier)| (name == *wanted).then_some(tier));
    let tier = tier.ok_or_else(|| unknown("tier", wanted.as_str(), "[organization]", names.iter().map(String::as_str)))?;
    let file::Tier { name, durations, default_duration, max_duration, max_sessions_per_member } = tier;
    if default_duration > max_duration {
        let why = format!("tier {name}: default_duration {default_duration} is longer than max_duration {max_duration}");
        return Err(ConfigError::senseless(why));
    }
    if let Some(above) = durations.iter().find(|duration| **duration > max_duration) {
        return Err(ConfigError::senseless(format!("tier {name}: {above} is on offer, but max_duration is {max_duration}")));
    }
    Ok(Tier { name, durations, default_duration, max_duration, max_sessions_per_member })
}

fn credential(credential: file::Credential) -> Result<Credential, ConfigError> {
    let file::Credential { name, provider: file::CredentialProvider::Aws, profile, role_arn, external_id, endpoint_url } =
        credential;
    if let Some(url) = &endpoint_url {
        // What is sent there is signed, and shows no secret.
        read_url(&format!("credential {name}: endpoint_url"), url, UrlUse::Open, "http://127.0.0.1:5000")?;
    }
    Ok(Credential { name, profile, role: role_arn.map(|arn| AssumedRole { arn, external_id }), endpoint_url })
}

fn resource(resource: file::Resource, credentials: &BTreeMap<CredentialName, Credential>) -> Result<Resource, ConfigError> {
    let name = resource.name.clone();
    let network = if resource.private_network { Network::Private } else { Network::Public };
    let kind = match (resource.provider, resource.kind) {
        (ResourceProvider::Aws, ResourceType::SecurityGroup) => {
            ResourceKind::SecurityGroup(security_group(resource, credentials)?)
        }
        (ResourceProvider::File, ResourceType::Allowlist) => ResourceKind::AllowlistFile(allowlist_file(resource)?),
        (ResourceProvider::Aws, ResourceType::Allowlist) | (ResourceProvider::File, ResourceType::SecurityGroup) => {
            let why = "provider \"aws\" has type \"security_group\", and provider \"file\" has type \"allowlist\"";
            return Err(ConfigError::senseless(format!("resource {name}: {why}")));
        }
    };
    Ok(Resource { name, network, kind })
}

fn security_group(
    resource: file::Resource,
    credentials: &BTreeMap<CredentialName, Credential>,
) -> Result<SecurityGroup, ConfigError> {
    let of = format!("resource {}", resource.name);
    refuse(&of, "a security group", [("format", resource.format.is_some()), ("after_change", resource.after_change.is_some())])?;
    let region = resource.region.ok_or_else(|| missing(&of, "region", "eu-west-1"))?;
    let credential = resource.credential.ok_or_else(|| missing(&of, "credential", "prod"))?;
    if !credentials.contains_key(&credential) {
        let names = credentials.keys().map(CredentialName::as_str);
        return Err(unknown("credential", credential.as_str(), &of, names));
    }
    let ports = resource.ports.filter(|ports| !ports.is_empty());
    let ports = ports.ok_or_else(|| missing(&of, "ports", "[{ protocol = \"tcp\", from = 22, to = 22 }]"))?;
    let range = |range: file::PortRange| Ports::new(range.protocol, range.from, range.to);
    let ports: BTreeSet<_> = ports
        .into_iter()
        .map(range)
        .collect::<Result<_, _>>()
        .map_err(|error| ConfigError::senseless(format!("{of}: {error}")))?;
    Ok(SecurityGroup { id: resource.id, region, credential, ports: ports.into_iter().collect() })
}

fn allowlist_file(resource: file::Resource) -> Result<AllowlistFile, ConfigError> {
    let of = format!("resource {}", resource.name);
    let given = [
        ("region", resource.region.is_some()),
        ("credential", resource.credential.is_some()),
        ("ports", resource.ports.is_some()),
    ];
    refuse(&of, "a file", given)?;
    let path = PathBuf::from(resource.id);
    if !path.is_absolute() {
        return Err(ConfigError::senseless(format!("{of}: `id` must be the file's absolute path, not {}", path.display())));
    }
    let after_change_timeout = resource.after_change_timeout.unwrap_or(AFTER_CHANGE_TIMEOUT);
    if after_change_timeout > LONGEST_AFTER_CHANGE {
        let why = format!("{of}: after_change_timeout {after_change_timeout} is too long; at most {LONGEST_AFTER_CHANGE}");
        return Err(ConfigError::senseless(why));
    }
    Ok(AllowlistFile {
        path,
        format: resource.format.unwrap_or(FileFormat::Plain),
        after_change: resource.after_change.unwrap_or_default(),
        after_change_timeout,
    })
}

fn member(member: file::Member) -> Member {
    let file::Member { name, email, admin, identities } = member;
    Member { name, email, admin, identities }
}

fn role(
    role: file::Role,
    roles: &BTreeSet<String>,
    known_members: &BTreeMap<crate::domain::MemberName, Member>,
) -> Result<Role, ConfigError> {
    let file::Role {
        name,
        members,
        identities,
        resources,
        max_duration,
        approval,
        break_glass,
        remember_address,
        explicit_ip,
        hours,
    } = role;
    let of = format!("role {name}");
    let hours = hours.map(|hours| super::schedule::hours(hours, &of)).transpose()?;
    let approval = approval.map(|approval| approval_rule(approval, &of, roles, known_members)).transpose()?;
    if break_glass && approval.is_none() {
        return Err(ConfigError::senseless(format!("{of}: `break_glass` means nothing without `approval`; remove it")));
    }
    let remember_address = match remember_address {
        Remember::For(span) => Some(span),
        Remember::Whether(true) => Some(REMEMBERED_FOR),
        Remember::Whether(false) => None,
    };
    let members = match members {
        Some(members) => members,
        None if identities.is_empty() => return Err(missing(&of, "members", "[\"ana\"]")),
        None => Vec::new(),
    };
    Ok(Role { name, members, identities, resources, max_duration, approval, break_glass, remember_address, explicit_ip, hours })
}

fn approval_rule(
    approval: file::Approval,
    of: &str,
    roles: &BTreeSet<String>,
    members: &BTreeMap<crate::domain::MemberName, Member>,
) -> Result<ApprovalRule, ConfigError> {
    if approval.by.is_empty() {
        return Err(missing(of, "approval.by", "[\"leads\"]"));
    }
    let named = |name: String| {
        let member = members.keys().find(|member| member.as_str() == name);
        match (roles.contains(&name), member) {
            (true, Some(_)) => {
                let why = format!("{of}: approval.by names `{name}`, which is a role and a member; rename one of them");
                Err(ConfigError::senseless(why))
            }
            (false, Some(member)) => Ok(Approver::Member(member.clone())),
            (true, None) => RoleName::new(name).map(Approver::Role).map_err(|error| ConfigError::senseless(error.to_string())),
            (false, None) => {
                let all = roles.iter().map(String::as_str).chain(members.keys().map(AsText::text));
                Err(unknown("role or member", &name, &format!("{of}: approval.by"), all))
            }
        }
    };
    Ok(ApprovalRule { by: approval.by.into_iter().map(named).collect::<Result<_, _>>()?, within: approval.within })
}

/// A workflow of anybody's must not be a member.
fn claims_pin_a_repository(members: &BTreeMap<crate::domain::MemberName, Member>) -> Result<(), ConfigError> {
    for member in members.values() {
        for identity in &member.identities {
            if let Identity::Github(pattern) = identity
                && let Err(error) = pattern.parse::<ClaimPattern>()
            {
                return Err(ConfigError::senseless(format!("member {}: identity {identity}: {error}", member.name)));
            }
        }
    }
    Ok(())
}

/// One identity is one member: otherwise who somebody is would hang on the order of the file.
fn one_member_an_identity(members: &BTreeMap<crate::domain::MemberName, Member>) -> Result<(), ConfigError> {
    let mut owners = BTreeMap::new();
    for member in members.values() {
        for identity in &member.identities {
            if let Some(other) = owners.insert(identity, &member.name) {
                let why = format!("identity {identity} belongs to {other} and to {}; give it to one of them", member.name);
                return Err(ConfigError::senseless(why));
            }
        }
    }
    Ok(())
}

/// Two resources must not make the same rule: each would take the other's for its own, or for nobody's.
fn no_two_on_one_list(resources: &BTreeMap<crate::domain::ResourceName, Resource>) -> Result<(), ConfigError> {
    for (index, one) in resources.values().enumerate() {
        if let Some(other) = resources.values().skip(index + 1).find(|other| overlap(&one.kind, &other.kind)) {
            let why = format!(
                "resources {} and {} open the same thing ({}); make one of them",
                one.name,
                other.name,
                one.provider_id()
            );
            return Err(ConfigError::senseless(why));
        }
    }
    Ok(())
}

fn overlap(one: &ResourceKind, other: &ResourceKind) -> bool {
    match (one, other) {
        (ResourceKind::AllowlistFile(one), ResourceKind::AllowlistFile(other)) => {
            // By name alone: a mount that hangs must not keep the configuration from being read.
            one.path.components().eq(other.path.components())
        }
        (ResourceKind::SecurityGroup(one), ResourceKind::SecurityGroup(other)) => {
            one.id == other.id && one.ports.iter().any(|ports| other.ports.contains(ports))
        }
        (ResourceKind::AllowlistFile(_), ResourceKind::SecurityGroup(_))
        | (ResourceKind::SecurityGroup(_), ResourceKind::AllowlistFile(_)) => false,
    }
}

pub(super) fn by_name<T, N: Ord + Clone + Display>(
    kind: &str,
    all: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &N,
) -> Result<BTreeMap<N, T>, ConfigError> {
    let mut named = BTreeMap::new();
    for one in all {
        let key = name(&one).clone();
        if named.insert(key.clone(), one).is_some() {
            return Err(ConfigError::senseless(format!("{kind} {key} is defined twice")));
        }
    }
    Ok(named)
}

fn known<N: Ord + AsText, T>(kind: &str, place: &str, used: &[N], defined: &BTreeMap<N, T>) -> Result<(), ConfigError> {
    match used.iter().find(|name| !defined.contains_key(name)) {
        None => Ok(()),
        Some(name) => Err(unknown(kind, name.text(), place, defined.keys().map(AsText::text))),
    }
}

trait AsText {
    fn text(&self) -> &str;
}

impl AsText for crate::domain::MemberName {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl AsText for crate::domain::ResourceName {
    fn text(&self) -> &str {
        self.as_str()
    }
}

pub(super) fn unknown<'a>(kind: &str, name: &str, place: &str, defined: impl Iterator<Item = &'a str>) -> ConfigError {
    let nearest = defined.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let hint = nearest.map_or_else(|| format!("define it in a [[{kind}]] table"), |nearest| format!("did you mean `{nearest}`?"));
    ConfigError::senseless(format!("{place} names {kind} `{name}`, which is not defined; {hint}"))
}

pub(super) fn missing(of: &str, key: &str, example: &str) -> ConfigError {
    ConfigError::senseless(format!("{of} needs `{key}`, for example {example}"))
}

fn refuse<const N: usize>(of: &str, kind: &str, given: [(&str, bool); N]) -> Result<(), ConfigError> {
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((key, _)) => Err(ConfigError::senseless(format!("{of}: `{key}` means nothing to {kind}; remove it"))),
    }
}
