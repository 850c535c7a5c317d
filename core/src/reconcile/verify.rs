//! Answers whether a resource can be reached and changed, without changing it.

use async_trait::async_trait;

use super::Reconciler;
use crate::domain::ResourceName;
use crate::provider::{Health, ProviderError, Verify};

#[async_trait]
impl Verify for Reconciler {
    async fn verify(&self, resource: &ResourceName) -> Option<Result<Health, ProviderError>> {
        match self.allowlists().get(resource) {
            Some(allowlist) => Some(allowlist.verify().await),
            None => None,
        }
    }
}
