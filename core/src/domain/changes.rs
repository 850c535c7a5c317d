//! What is different in another configuration, in words for whoever is about to go by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Credential, Directory, Member, Resource, ResourceKind, ResourceName, Role, Schedule};

/// What is different, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<String>);

impl Changes {
    /// From one configuration to another.
    pub fn between(old: &Directory, new: &Directory) -> Self {
        let mut lines = Vec::new();
        if old.organization != new.organization {
            lines.push(format!("the limits of {} change", new.organization.name));
        }
        of_kind("resource", &old.resources, &new.resources, &mut lines);
        of_kind("credential", &old.credentials, &new.credentials, &mut lines);
        of_kind("member", &old.members, &new.members, &mut lines);
        of_kind("role", &old.roles, &new.roles, &mut lines);
        of_kind("schedule", &old.schedules, &new.schedules, &mut lines);
        Self(lines)
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Directory {
    /// The resources whose name means another place in `new`: the rules that were made there have to be taken away there.
    pub fn moved_in(&self, new: &Self) -> BTreeSet<ResourceName> {
        let moved = self.resources.iter().filter(|(name, old)| {
            new.resources.get(*name).is_some_and(|new| !old.kind.is_same_place(&new.kind) || old.network != new.network)
        });
        moved.map(|(name, _)| name.clone()).collect()
    }

    /// The directory without some of its resources: roles that name them give nothing there.
    #[must_use]
    pub fn without(&self, resources: &BTreeSet<ResourceName>) -> Self {
        let mut directory = self.clone();
        directory.resources.retain(|name, _| !resources.contains(name));
        directory
    }
}

impl ResourceKind {
    /// Whether rules that were made for one are found, and taken for its own, by the other.
    fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::SecurityGroup(one), Self::SecurityGroup(other)) => {
                (&one.id, &one.region, &one.ports) == (&other.id, &other.region, &other.ports)
            }
            (Self::AllowlistFile(one), Self::AllowlistFile(other)) => (&one.path, one.format) == (&other.path, other.format),
            (Self::SecurityGroup(_), Self::AllowlistFile(_)) | (Self::AllowlistFile(_), Self::SecurityGroup(_)) => false,
        }
    }
}

/// What can be different of two that bear one name, in the configuration's words.
trait Named {
    fn differences(&self, other: &Self) -> Vec<&'static str>;
}

macro_rules! differences {
    ($($of:ident: $($field:ident $word:literal),+;)+) => {$(
        impl Named for $of {
            fn differences(&self, other: &Self) -> Vec<&'static str> {
                let all = [$((self.$field != other.$field, $word)),+];
                all.into_iter().filter_map(|(differs, word)| differs.then_some(word)).collect()
            }
        }
    )+};
}

differences! {
    Member: email "email", admin "admin", identities "identities";
    Role: members "members", identities "identities", resources "resources", max_duration "max_duration", approval "approval",
        break_glass "break_glass", remember_address "remember_address", explicit_ip "explicit_ip", hours "hours";
    Schedule: ticks "cron", member "member", role "role", addresses "addresses", duration "duration", reason "reason";
    Credential: profile "profile", role "role_arn", endpoint_url "endpoint_url";
}

impl Named for Resource {
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            (self.network != other.network, "private_network"),
            (!self.kind.is_same_place(&other.kind), "its place"),
            (self.kind != other.kind && self.kind.is_same_place(&other.kind), "how it is reached"),
        ];
        all.into_iter().filter_map(|(differs, word)| differs.then_some(word)).collect()
    }
}

fn of_kind<N: Ord + fmt::Display, T: PartialEq + Named>(
    kind: &str,
    old: &BTreeMap<N, T>,
    new: &BTreeMap<N, T>,
    lines: &mut Vec<String>,
) {
    let gone = old.keys().filter(|name| !new.contains_key(name)).map(|name| format!("{kind} {name} goes"));
    lines.extend(gone);
    for (name, now) in new {
        match old.get(name) {
            None => lines.push(format!("{kind} {name} is new")),
            Some(before) if before != now => lines.push(format!("{kind} {name} changes: {}", before.differences(now).join(", "))),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{directory, member, role_of};
    use crate::domain::{AllowlistFile, ApprovalRule, FileFormat, Network, Resource, Role, RoleName, Span};

    fn file(name: &str, path: &str) -> Resource {
        let kind = ResourceKind::AllowlistFile(AllowlistFile {
            path: path.into(),
            format: FileFormat::Plain,
            after_change: Vec::new(),
            after_change_timeout: Span::from_seconds(1),
        });
        Resource { name: ResourceName::new(name).unwrap(), network: Network::Public, kind }
    }

    fn with(role: Role, resources: &[Resource]) -> Directory {
        let resources = resources.iter().map(|resource| (resource.name.clone(), resource.clone())).collect();
        Directory { resources, ..directory(vec![role]) }
    }

    #[test]
    fn what_comes_goes_and_changes_is_said() {
        let old = with(role_of("ana", "bastion"), &[file("bastion", "/a"), file("intranet", "/b")]);
        let approval = Some(ApprovalRule { by: Vec::new(), within: Span::from_minutes(5) });
        let role = Role { max_duration: Some(Span::from_hours(1)), approval, ..role_of("ana", "bastion") };
        let mut new = with(role, &[file("bastion", "/a"), file("wiki", "/c")]);
        new.members.remove(&member("dee"));
        new.members.get_mut(&member("ana")).unwrap().admin ^= true;
        new.roles.insert(RoleName::new("more").unwrap(), role_of("bo", "wiki"));
        insta::assert_snapshot!(Changes::between(&old, &new).lines().join("\n"), @r"
        resource intranet goes
        resource wiki is new
        member dee goes
        member ana changes: admin
        role more is new
        role role changes: max_duration, approval
        ");
        assert!(Changes::between(&new, &new.clone()).is_empty());
    }

    #[test]
    fn a_resource_that_means_another_place_has_moved_and_one_with_another_command_has_not() {
        let old = with(role_of("ana", "bastion"), &[file("bastion", "/a"), file("intranet", "/b")]);
        let mut same = file("intranet", "/b");
        if let ResourceKind::AllowlistFile(file) = &mut same.kind {
            file.after_change = vec!["true".to_owned()];
        }
        let new = with(role_of("ana", "bastion"), &[file("bastion", "/elsewhere"), same]);
        let moved = old.moved_in(&new);
        assert_eq!(moved, BTreeSet::from([ResourceName::new("bastion").unwrap()]));
        assert_eq!(new.without(&moved).resources.len(), 1);
    }
}
