//! A security group as an allowlist: rules are added with our tags on them, removed by their ids, and believed when described.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType, SecurityGroupRule, TagSpecification};
use entryguard_core::domain::{DeploymentId, Ports, ProviderRuleId, RulePart, SecurityGroup};
use entryguard_core::provider::{Addition, Allowlist, Health, ProviderError, Remark, Removal, SeenRule};

use crate::batch::{Batch, batches, permissions};
use crate::error::{is_rule_not_found, provider_error};
use crate::mark::{EXPIRES_AT, mark, tag, tags};

/// An EC2 security group.
#[derive(Debug)]
pub struct SecurityGroupAllowlist {
    pub(crate) client: Client,
    pub(crate) id: String,
    pub(crate) ports: Vec<Ports>,
    /// The group in words for people.
    pub(crate) name: String,
    owner: DeploymentId,
    parts: Vec<RulePart>,
}

impl SecurityGroupAllowlist {
    /// The group, through a client for its region; `owner` marks the rules that it makes.
    pub fn new(client: Client, group: &SecurityGroup, owner: DeploymentId) -> Self {
        let parts = group.ports.iter().map(|ports| RulePart(ports.to_string())).collect();
        let name = format!("security group {} in {}", group.id, group.region);
        Self { client, id: group.id.clone(), ports: group.ports.clone(), name, owner, parts }
    }

    async fn authorize(&self, batch: &Batch<'_>) -> Result<(), ProviderError> {
        let marked = TagSpecification::builder()
            .resource_type(ResourceType::SecurityGroupRule)
            .set_tags(Some(tags(&self.owner, &batch.additions, batch.until)))
            .build();
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

    fn seen(&self, rule: &SecurityGroupRule) -> Option<Result<SeenRule, ProviderError>> {
        let cidr = rule.cidr_ipv4().or(rule.cidr_ipv6())?;
        let mark = mark(rule.tags());
        let id = rule.security_group_rule_id()?;
        let Ok(source) = cidr.parse::<ipnet::IpNet>() else {
            // A foreign rule that cannot be read can be no rule of a shape that we would make; one of ours must not go unseen.
            let what = format!("reading {id} on {}", self.name);
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
    RulePart(ports.map_or_else(|| format!("{protocol} {:?}-{:?}", rule.from_port(), rule.to_port()), |ports| ports.to_string()))
}

#[async_trait]
impl Allowlist for SecurityGroupAllowlist {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        let of_group = Filter::builder().name("group-id").values(&self.id).build();
        let mut pages = self.client.describe_security_group_rules().filters(of_group).max_results(1000).into_paginator().send();
        let mut seen = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| provider_error(&error, "reading the rules", &self.name))?;
            for rule in page.security_group_rules().iter().filter(|rule| rule.is_egress() != Some(true)) {
                seen.extend(self.seen(rule).transpose()?);
            }
        }
        Ok(seen)
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        // Each batch is tried, whatever becomes of the others; the first error is the one that is told.
        let mut outcome = Ok(());
        for batch in batches(additions) {
            outcome = outcome.and(self.authorize(&batch).await);
        }
        outcome
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        let mut by_expiry: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for remark in remarks {
            let ids = by_expiry.entry(remark.until.to_string()).or_default();
            ids.extend(remark.rules.iter().map(ProviderRuleId::as_str));
        }
        for (until, ids) in by_expiry.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let resources = ids.into_iter().map(ToOwned::to_owned).collect();
            let call = self.client.create_tags().set_resources(Some(resources)).tags(tag(EXPIRES_AT, &until));
            call.send().await.map_err(|error| provider_error(&error, "moving the expiry of rules", &self.name))?;
        }
        Ok(())
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        let ids: Vec<_> = removals.iter().flat_map(|removal| removal.rules.iter().cloned()).collect();
        if ids.is_empty() || self.revoke(&ids).await? {
            return Ok(());
        }
        let still_there: Vec<_> = self.observe().await?.into_iter().map(|rule| rule.id).filter(|id| ids.contains(id)).collect();
        for id in still_there {
            self.revoke(&[id]).await?;
        }
        Ok(())
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        self.verify_group().await
    }
}
