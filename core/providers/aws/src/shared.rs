//! A security group whose rules say in their tags which jobs hold them.

use async_trait::async_trait;
use aws_sdk_ec2::types::Tag;
use entryguard_core::domain::ProviderRuleId;
use entryguard_core::provider::{Addition, Allowlist, Holder, Note, NoteName, ProviderError, SharedAllowlist, SharedRule};

use crate::SecurityGroupAllowlist;
use crate::batch::batches;
use crate::error::{is_rule_not_found, provider_error};
use crate::mark::{closing, holders, note, note_key};

#[async_trait]
impl SharedAllowlist for SecurityGroupAllowlist {
    async fn observe_shared(&self) -> Result<Vec<SharedRule>, ProviderError> {
        let rules = self.ingress_rules().await?;
        let shared = rules.iter().filter_map(|rule| {
            let (holders, closing) = (holders(rule.tags()), closing(rule.tags()));
            Some(self.seen(rule)?.map(|rule| SharedRule { rule, holders, closing }))
        });
        shared.collect()
    }

    async fn add_held(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        for batch in batches(additions, self.parts()) {
            let holders = batch
                .additions
                .iter()
                .take(1)
                .map(|first| note(&Note::Holder(Holder { session: first.session.clone(), until: first.until })));
            self.authorize(&batch, &holders.collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    async fn write(&self, rules: &[ProviderRuleId], notes: &[Note]) -> Result<(), ProviderError> {
        self.write_tags(rules, &notes.iter().map(note).collect::<Vec<_>>()).await
    }

    async fn erase(&self, rules: &[ProviderRuleId], notes: &[NoteName]) -> Result<(), ProviderError> {
        let keys: Vec<_> = notes.iter().map(note_key).collect();
        if self.delete_tags(rules, &keys).await? {
            return Ok(());
        }
        let left = self.still_there(rules).await?;
        if left.is_empty() { Ok(()) } else { self.delete_tags(&left, &keys).await.map(drop) }
    }
}

impl SecurityGroupAllowlist {
    /// False where one of the rules was not there, and so no tag was taken away.
    async fn delete_tags(&self, ids: &[ProviderRuleId], keys: &[Tag]) -> Result<bool, ProviderError> {
        let resources = ids.iter().map(ToString::to_string).collect();
        match self.client.delete_tags().set_resources(Some(resources)).set_tags(Some(keys.to_vec())).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_rule_not_found(&error) => Ok(false),
            Err(error) => Err(provider_error(&error, "taking tags from rules", &self.name)),
        }
    }
}
