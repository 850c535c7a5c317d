//! A small directory for tests of the domain.

use std::collections::BTreeMap;

use super::{Directory, Member, MemberName, Organization, ResourceName, Role, RoleName, Span, Tier, TierName};

/// The people of it.
pub(crate) const PEOPLE: [&str; 4] = ["ana", "bo", "cy", "dee"];

/// A directory with these roles, and a tier of two hours.
pub(crate) fn directory(roles: Vec<Role>) -> Directory {
    let span = Span::from_hours(2);
    let tier = Tier {
        name: TierName::new("team").unwrap(),
        durations: vec![span],
        default_duration: span,
        max_duration: span,
        max_sessions_per_member: None,
    };
    let person = |name: &str| Member { name: member(name), email: None, admin: false, identities: Vec::new() };
    Directory {
        organization: Organization { name: "Acme".to_owned(), tier },
        members: PEOPLE.iter().map(|name| (member(name), person(name))).collect(),
        roles: roles.into_iter().map(|role| (role.name.clone(), role)).collect(),
        resources: BTreeMap::new(),
        credentials: BTreeMap::new(),
        schedules: BTreeMap::new(),
        emails_from: None,
    }
}

/// A role that gives one member one resource, on no terms of its own.
pub(crate) fn role_of(member_name: &str, resource: &str) -> Role {
    Role {
        name: RoleName::new("role").unwrap(),
        members: vec![member(member_name)],
        identities: Vec::new(),
        resources: vec![ResourceName::new(resource).unwrap()],
        max_duration: None,
        approval: None,
        break_glass: false,
        remember_address: None,
        explicit_ip: false,
        hours: None,
    }
}

/// A member's name.
pub(crate) fn member(name: &str) -> MemberName {
    MemberName::new(name).unwrap()
}
