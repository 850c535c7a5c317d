//! A security group as an allowlist: rules are added with our tags on them, removed by their ids, and believed when described.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType, SecurityGroupRule, Tag, TagSpecification};
use entryguard_core::domain::{DeploymentId, Ports, ProviderRuleId, RulePart, SecurityGroup};
use entryguard_core::provider::{Addition, Allowlist, CallLimits, Health, ProviderError, Remark, Removal, SeenRule};

use crate::batch::{Batch, batches, permissions};
use crate::error::{is_rule_not_found, provider_error};
use crate::limits::limits;
use crate::mark::{EXPIRES_AT, mark, tag, tags};

/// What one call of `CreateTags` takes.
const IDS_A_CALL: usize = 1000;

/// An EC2 security group.
#[derive(Debug)]
pub struct SecurityGroupAllowlist {
    pub(crate) client: Client,
    pub(crate) id: String,
    pub(crate) ports: Vec<Ports>,
    /// The group in words for people.
    pub(crate) name: String,
    pub(crate) owner: DeploymentId,
    parts: Vec<RulePart>,
    limits: CallLimits,
}

impl SecurityGroupAllowlist {
    /// The group, through a client for its region; `owner` marks the rules that it makes.
    pub fn new(client: Client, group: &SecurityGroup, owner: DeploymentId) -> Self {
        let parts = group.ports.iter().map(|ports| RulePart(ports.to_string())).collect();
        let name = format!("security group {} in {}", group.id, group.region);
        let limits = limits(group);
        Self { client, id: group.id.clone(), ports: group.ports.clone(), name, owner, parts, limits }
    }

    /// Adds a batch's rules with our mark on them, and these tags.
    pub(crate) async fn authorize(&self, batch: &Batch<'_>, more: &[Tag]) -> Result<(), ProviderError> {
        let mark = [&tags(&self.owner, &batch.additions, batch.until), more].concat();
        let marked = TagSpecification::builder().resource_type(ResourceType::SecurityGroupRule).set_tags(Some(mark)).build();
        let call = self
            .client
            .authorize_security_group_ingress()
            .group_id(&self.id)
            .set_ip_permissions(Some(permissions(&batch.additions, &self.ports)))
            .tag_specifications(marked);
        // The answer's list of rules is not believed: it may be short. Whoever called describes.
        call.send().await.map(drop).map_err(|error| provider_error(&error, "adding rules", &self.name))
    }

    /// Revokes by id; false where one of the ids was not there, and so nothing is known of the others.
    async fn revoke(&self, ids: &[ProviderRuleId]) -> Result<bool, ProviderError> {
        let mut call = self.client.revoke_security_group_ingress().group_id(&self.id);
        for id in ids {
            call = call.security_group_rule_ids(id.as_str());
        }
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_rule_not_found(&error) => Ok(false),
            Err(error) => Err(provider_error(&error, "removing rules", &self.name)),
        }
    }

    /// Writes tags on rules; on those that are left where some have gone, so that these do not keep the others from it.
    pub(crate) async fn write_tags(&self, ids: &[ProviderRuleId], tags: &[Tag]) -> Result<(), ProviderError> {
        if self.create_tags(ids, tags).await? {
            return Ok(());
        }
        let left = self.still_there(ids).await?;
        if left.is_empty() { Ok(()) } else { self.create_tags(&left, tags).await.map(drop) }
    }

    /// False where one of the rules was not there, and so none was marked.
    async fn create_tags(&self, ids: &[ProviderRuleId], tags: &[Tag]) -> Result<bool, ProviderError> {
        let resources = ids.iter().map(ToString::to_string).collect();
        match self.client.create_tags().set_resources(Some(resources)).set_tags(Some(tags.to_vec())).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_rule_not_found(&error) => Ok(false),
            Err(error) => Err(provider_error(&error, "writing the tags of rules", &self.name)),
        }
    }

    /// Every rule that lets somebody in, of whatever shape.
    pub(crate) async fn ingress_rules(&self) -> Result<Vec<SecurityGroupRule>, ProviderError> {
        let mut rules = self.all_rules().await?;
        rules.retain(|rule| rule.is_egress() != Some(true));
        Ok(rules)
    }

    /// Every rule, in both directions. Of a group that does not exist EC2 lists none, and says nothing.
    async fn all_rules(&self) -> Result<Vec<SecurityGroupRule>, ProviderError> {
        let of_group = Filter::builder().name("group-id").values(&self.id).build();
        let mut pages = self.client.describe_security_group_rules().filters(of_group).max_results(1000).into_paginator().send();
        let mut rules = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| provider_error(&error, "reading the rules", &self.name))?;
            rules.extend_from_slice(page.security_group_rules());
        }
        Ok(rules)
    }

    pub(crate) async fn still_there(&self, ids: &[ProviderRuleId]) -> Result<Vec<ProviderRuleId>, ProviderError> {
        let seen = self.observe().await?;
        Ok(seen.into_iter().map(|rule| rule.id).filter(|id| ids.contains(id)).collect())
    }

    pub(crate) fn seen(&self, rule: &SecurityGroupRule) -> Option<Result<SeenRule, ProviderError>> {
        let cidr = rule.cidr_ipv4().or(rule.cidr_ipv6())?;
        let mark = mark(rule.tags());
        let (Ok(source), Some(id)) = (cidr.parse::<ipnet::IpNet>(), rule.security_group_rule_id()) else {
            // A foreign rule that cannot be read can be no rule of a shape that we would make; one of ours must not go unseen.
            let what = format!("reading {} on {}", rule.security_group_rule_id().unwrap_or("a rule without an id"), self.name);
            return mark.map(|_| Err(ProviderError::Rejected { what, reason: format!("`{cidr}` is not an address range") }));
        };
        Some(Ok(SeenRule { id: ProviderRuleId::from_stored(id), source: source.trunc(), part: part(rule), mark }))
    }
}

/// Which part of a group a rule opens: in the words of our own ports where it is one that we could have made.
fn part(rule: &SecurityGroupRule) -> RulePart {
    let protocol = rule.ip_protocol().unwrap_or("-1");
    let ports = rule
        .from_port()
        .zip(rule.to_port())
        .and_then(|(from, to)| Ports::new(protocol.parse().ok()?, u16::try_from(from).ok()?, u16::try_from(to).ok()?).ok());
    // `-1` is every protocol, and has no ports. Any other that we could not have made keeps its own words.
    RulePart(match (ports, protocol, rule.from_port().zip(rule.to_port())) {
        (Some(ports), ..) => ports.to_string(),
        (None, "-1", _) => "all".to_owned(),
        (None, protocol, Some((from, to))) => format!("{protocol} {from}-{to}"),
        (None, protocol, None) => protocol.to_owned(),
    })
}

#[async_trait]
impl Allowlist for SecurityGroupAllowlist {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    fn limits(&self) -> Option<&CallLimits> {
        Some(&self.limits)
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        let rules = self.all_rules().await?;
        // A group has a rule for the way out unless that was removed, so this second call is rare.
        if rules.is_empty() {
            self.check_exists().await?;
        }
        let ingress = rules.iter().filter(|rule| rule.is_egress() != Some(true));
        ingress.filter_map(|rule| self.seen(rule)).collect()
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        // Each batch is tried, whatever becomes of the others, and the first error is the one that is told. What the group itself
        // refuses (its quota, our rights, its name) would be refused again with every batch.
        let mut outcome = Ok(());
        for batch in batches(additions, &self.parts) {
            let answer = self.authorize(&batch, &[]).await;
            let for_all =
                answer.as_ref().is_err_and(|error| error.refusal().is_some_and(|refusal| refusal.cause.refuses_all_alike()));
            outcome = outcome.and(answer);
            if for_all {
                break;
            }
        }
        outcome
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        let mut by_expiry: BTreeMap<String, Vec<ProviderRuleId>> = BTreeMap::new();
        for remark in remarks {
            by_expiry.entry(remark.until.to_string()).or_default().extend(remark.rules.iter().cloned());
        }
        let mut outcome = Ok(());
        for (until, ids) in &by_expiry {
            for ids in ids.chunks(IDS_A_CALL) {
                outcome = outcome.and(self.write_tags(ids, &[tag(EXPIRES_AT, until)]).await);
            }
        }
        outcome
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        let ids: Vec<_> = removals.iter().flat_map(|removal| removal.rules.iter().cloned()).collect();
        if ids.is_empty() || self.revoke(&ids).await? {
            return Ok(());
        }
        let mut outcome = Ok(());
        for id in self.still_there(&ids).await? {
            outcome = outcome.and(self.revoke(&[id]).await.map(drop));
        }
        outcome
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        self.verify_group().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_we_could_have_made_is_named_as_our_own_parts_are() {
        let named = |protocol: &str, ports: Option<(i32, i32)>| {
            let (from, to) = ports.unzip();
            part(&SecurityGroupRule::builder().ip_protocol(protocol).set_from_port(from).set_to_port(to).build()).0
        };
        assert_eq!(named("tcp", Some((22, 22))), "tcp 22");
        assert_eq!(named("udp", Some((8000, 8010))), "udp 8000-8010");
        assert_eq!(named("-1", Some((-1, -1))), "all");
        assert_eq!(named("icmp", Some((8, -1))), "icmp 8--1");
        assert_eq!(named("50", None), "50");
    }
}
