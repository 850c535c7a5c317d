//! Who belongs to the organization, what they may reach, and for how long: the configuration, once it is known to make sense.

use std::collections::BTreeMap;

use super::{
    ApprovalRule, Credential, CredentialName, Hours, Identity, Limit, LimitSource, MemberName, Resource, ResourceName,
    RoleIdentity, RoleName, Schedule, ScheduleName, Span, TierName,
};

/// An organization's members, roles, resources and limits.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Who owns it all.
    pub organization: Organization,
    /// The members, by name.
    pub members: BTreeMap<MemberName, Member>,
    /// The roles, by name.
    pub roles: BTreeMap<RoleName, Role>,
    /// The resources, by name.
    pub resources: BTreeMap<ResourceName, Resource>,
    /// The credentials, by name.
    pub credentials: BTreeMap<CredentialName, Credential>,
    /// The host of the OpenID Connect issuer whose word on email addresses makes somebody the member who has that address, if any is.
    pub emails_from: Option<String>,
    /// The sessions that start by themselves, by name.
    pub schedules: BTreeMap<ScheduleName, Schedule>,
}

/// Who owns resources, roles and members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// What people call it.
    pub name: String,
    /// Its limits.
    pub tier: Tier,
}

/// An organization's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// What people call it.
    pub name: TierName,
    /// The durations on offer.
    pub durations: Vec<Span>,
    /// The duration where none is given.
    pub default_duration: Span,
    /// The longest session.
    pub max_duration: Span,
    /// Sessions at once for each member; no limit where there is none.
    pub max_sessions_per_member: Option<u32>,
}

/// A person or a machine of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What people call them.
    pub name: MemberName,
    /// Where they can be written to.
    pub email: Option<String>,
    /// May see and stop everybody's sessions.
    pub admin: bool,
    /// How the surfaces name them.
    pub identities: Vec<Identity>,
}

/// Gives its members resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// What people call it.
    pub name: RoleName,
    /// Whom it holds.
    pub members: Vec<MemberName>,
    /// How surfaces name whom it holds besides.
    pub identities: Vec<RoleIdentity>,
    /// What it gives.
    pub resources: Vec<ResourceName>,
    /// The longest session of its members.
    pub max_duration: Option<Span>,
    /// Whose approval it takes, if it takes one.
    pub approval: Option<ApprovalRule>,
    /// Whether the approval may be done without in an emergency.
    pub break_glass: bool,
    /// How long a confirmed address may be used again, if at all.
    pub remember_address: Option<Span>,
    /// Whether an address may be given by hand.
    pub explicit_ip: bool,
    /// When its members may have sessions; always where it does not say.
    pub hours: Option<Hours>,
}

impl Directory {
    /// The member whom a surface calls so.
    pub fn member_of(&self, identity: &Identity) -> Option<&Member> {
        let named = self.members.values().find(|member| member.identities.contains(identity));
        named.or_else(|| self.member_by_email(identity))
    }

    fn member_by_email(&self, identity: &Identity) -> Option<&Member> {
        let Identity::OidcEmail { issuer, email } = identity else { return None };
        if self.emails_from.as_ref() != Some(issuer) {
            return None;
        }
        self.members.values().find(|member| member.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email)))
    }

    /// Every resource that a member's roles give them, each once, by name.
    pub fn resources_of(&self, member: &MemberName) -> Vec<&Resource> {
        let named: std::collections::BTreeSet<_> = self.roles_of(member).flat_map(|role| &role.resources).collect();
        named.into_iter().filter_map(|name| self.resources.get(name)).collect()
    }

    /// Whether a member has a role, and has a resource by it.
    pub fn gives(&self, role: &RoleName, member: &MemberName, resource: &ResourceName) -> bool {
        self.roles_of(member).any(|of| of.name == *role && of.resources.contains(resource))
    }

    /// The longest session that a member may have, and what set it: the smallest of the tier's and their roles' limits.
    pub fn limit_of(&self, member: &MemberName) -> Limit {
        let tier = &self.organization.tier;
        let of_tier = Limit { longest: tier.max_duration, set_by: LimitSource::Tier(tier.name.clone()) };
        self.roles_of(member)
            .filter_map(|role| Some(Limit { longest: role.max_duration?, set_by: LimitSource::Role(role.name.clone()) }))
            .fold(of_tier, |least, limit| if limit.longest < least.longest { limit } else { least })
    }

    /// The durations on offer that a member may choose; the longest that they may have, where all on offer are longer.
    pub fn durations_for(&self, member: &MemberName) -> Vec<Span> {
        let longest = self.limit_of(member).longest;
        let durations: Vec<_> =
            self.organization.tier.durations.iter().copied().filter(|duration| *duration <= longest).collect();
        if durations.is_empty() { vec![self.default_duration_for(member)] } else { durations }
    }

    /// The duration of a member's session where none is given.
    pub fn default_duration_for(&self, member: &MemberName) -> Span {
        self.organization.tier.default_duration.min(self.limit_of(member).longest)
    }

    /// The names of the administrators: whom to ask.
    pub fn administrators(&self) -> Vec<&MemberName> {
        self.members.values().filter(|member| member.admin).map(|member| &member.name).collect()
    }

    pub(super) fn roles_of<'a>(&'a self, member: &'a MemberName) -> impl Iterator<Item = &'a Role> {
        self.roles.values().filter(move |role| role.members.contains(member))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{directory, member, role_of};
    use super::*;

    #[test]
    fn whoever_may_have_less_than_anything_on_offer_is_offered_that() {
        let offered = |longest: &str| {
            let directory = directory(vec![Role { max_duration: longest.parse().ok(), ..role_of("ana", "bastion") }]);
            directory.durations_for(&member("ana")).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!((offered("2h"), offered("30m")), (vec!["2h".to_owned()], vec!["30m".to_owned()]));
    }
}
