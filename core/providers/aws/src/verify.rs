//! Whether a group exists and may be changed, found out without changing it.

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{IpPermission, IpRange, ResourceType, TagSpecification};
use entryguard_core::provider::{Health, ProviderError};

use crate::SecurityGroupAllowlist;
use crate::error::provider_error;
use crate::mark::{OWNER, tag};

/// AWS's default quota of rules a group, for each family.
const QUOTA: usize = 60;
/// From here on somebody should know.
const NEARLY: usize = 50;
/// An address of the documentation's, for a call that is never carried out.
const NOBODY: &str = "192.0.2.1/32";

/// How much of the quota of rules is used, in each family.
#[derive(Default)]
struct Used {
    v4: usize,
    v6: usize,
    // These count in both.
    in_lists: usize,
    // Why the prefix lists could not be counted.
    uncounted: Option<ProviderError>,
}

impl Used {
    fn warnings(&self) -> Vec<String> {
        let counted = [("IPv4", self.v4 + self.in_lists), ("IPv6", self.v6 + self.in_lists)];
        let full = counted.into_iter().filter(|(_, count)| *count >= NEARLY);
        let lists = if self.in_lists > 0 { format!(", {} of them for prefix lists", self.in_lists) } else { String::new() };
        let full = full.map(|(family, count)| {
            format!("its rules count as {count} for {family}{lists}; AWS's default quota is {QUOTA} a group")
        });
        full.chain(self.uncounted.iter().map(|error| format!("how much of the quota is used is not certain: {error}"))).collect()
    }
}

impl std::fmt::Display for Used {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} IPv4 and {} IPv6 rules", self.v4, self.v6)?;
        if self.in_lists > 0 { write!(f, ", prefix lists of {} entries", self.in_lists) } else { Ok(()) }
    }
}

impl SecurityGroupAllowlist {
    /// Tells a group without a rule from one that does not exist. Who may not look is not told: that proves neither.
    pub(crate) async fn check_exists(&self) -> Result<(), ProviderError> {
        let answer = self.client.describe_security_groups().group_ids(&self.id).send().await;
        match answer.map_err(|error| provider_error(&error, "reading the group", &self.name)) {
            Ok(answer) if answer.security_groups().is_empty() => Err(ProviderError::Missing { what: self.name.clone() }),
            Ok(_) | Err(ProviderError::Denied { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn verify_group(&self) -> Result<Health, ProviderError> {
        let answer = self.client.describe_security_groups().group_ids(&self.id).send().await;
        let answer = answer.map_err(|error| provider_error(&error, "reading the group", &self.name))?;
        let Some(group) = answer.security_groups().first() else {
            return Err(ProviderError::Missing { what: self.name.clone() });
        };
        self.may_add().await?;
        let used = self.quota_used().await?;
        let warnings = used.warnings();
        let name = group.group_name().unwrap_or_default();
        let summary = format!("{name} in {}, {used}", group.vpc_id().unwrap_or("no VPC"));
        Ok(Health { summary, warnings })
    }

    /// What its rules count as. One that names a prefix list counts as many as the list may hold, one that names a group counts once
    /// in each family.
    async fn quota_used(&self) -> Result<Used, ProviderError> {
        let (mut used, mut lists) = (Used::default(), Vec::new());
        for rule in self.ingress_rules().await? {
            used.v4 += usize::from(rule.cidr_ipv6().is_none() && rule.prefix_list_id().is_none());
            used.v6 += usize::from(rule.cidr_ipv4().is_none() && rule.prefix_list_id().is_none());
            lists.extend(rule.prefix_list_id().map(str::to_owned));
        }
        if !lists.is_empty() {
            // Not being allowed to count is no reason to call the group unhealthy.
            match self.most_entries(lists).await {
                Ok(entries) => used.in_lists = entries,
                Err(error) => used.uncounted = Some(error),
            }
        }
        Ok(used)
    }

    async fn most_entries(&self, lists: Vec<String>) -> Result<usize, ProviderError> {
        let answer = self.client.describe_managed_prefix_lists().set_prefix_list_ids(Some(lists)).send().await;
        let answer = answer.map_err(|error| provider_error(&error, "reading the prefix lists of the rules", &self.name))?;
        let most = answer.prefix_lists().iter().filter_map(|list| usize::try_from(list.max_entries()?).ok());
        Ok(most.sum())
    }

    /// Asks AWS whether rules could be added, and marked as they are; it says so in an error.
    async fn may_add(&self) -> Result<(), ProviderError> {
        let Some(ports) = self.ports.first() else { return Ok(()) };
        let permission = IpPermission::builder()
            .ip_protocol(ports.protocol().as_str())
            .from_port(i32::from(ports.from()))
            .to_port(i32::from(ports.to()))
            .ip_ranges(IpRange::builder().cidr_ip(NOBODY).build())
            .build();
        // An emulator that does not know of dry runs makes the rule: with our mark, so that a sweep removes it.
        let marked = TagSpecification::builder()
            .resource_type(ResourceType::SecurityGroupRule)
            .tags(tag(OWNER, self.owner.as_str()))
            .build();
        let call = self.client.authorize_security_group_ingress().dry_run(true).group_id(&self.id);
        let call = call.ip_permissions(permission).tag_specifications(marked);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().and_then(|e| e.code()) == Some("DryRunOperation") => Ok(()),
            Err(error) => Err(provider_error(&error, "adding rules", &self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_is_seen_coming_and_prefix_lists_count_in_full() {
        assert!(Used { v4: 49, ..Used::default() }.warnings().is_empty());
        insta::assert_snapshot!(Used { v4: 52, ..Used::default() }.warnings().join("; "), @"its rules count as 52 for IPv4; AWS's default quota is 60 a group");
        insta::assert_snapshot!(Used { v4: 30, v6: 1, in_lists: 25, uncounted: None }.warnings().join("; "), @"its rules count as 55 for IPv4, 25 of them for prefix lists; AWS's default quota is 60 a group");
    }
}
