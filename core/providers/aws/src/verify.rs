//! Whether a group exists and may be changed, found out without changing it.

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{IpPermission, IpRange, ResourceType, TagSpecification};
use entryguard_core::provider::{Allowlist, Health, ProviderError};

use crate::SecurityGroupAllowlist;
use crate::error::provider_error;
use crate::mark::{OWNER, tag};

/// AWS's default quota of rules a group, for each family.
const QUOTA: usize = 60;
/// From here on somebody should know.
const NEARLY: usize = 50;
/// An address of the documentation's, for a call that is never carried out.
const NOBODY: &str = "192.0.2.1/32";

impl SecurityGroupAllowlist {
    pub(crate) async fn verify_group(&self) -> Result<Health, ProviderError> {
        let answer = self.client.describe_security_groups().group_ids(&self.id).send().await;
        let answer = answer.map_err(|error| provider_error(&error, "reading the group", &self.name))?;
        let Some(group) = answer.security_groups().first() else {
            return Err(ProviderError::Missing { what: self.name.clone() });
        };
        self.may_add().await?;
        let rules = self.observe().await?;
        let (v4, v6): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.source.addr().is_ipv4());
        let full = [("IPv4", v4.len()), ("IPv6", v6.len())].into_iter().filter(|(_, count)| *count >= NEARLY);
        let warnings =
            full.map(|(family, count)| format!("{count} {family} rules; AWS's default quota is {QUOTA} a group")).collect();
        let name = group.group_name().unwrap_or_default();
        let summary = format!("{name} in {}, {} IPv4 and {} IPv6 rules", group.vpc_id().unwrap_or("no VPC"), v4.len(), v6.len());
        Ok(Health { summary, warnings })
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
