//! The one question that a surface may have asked of a resource.

use async_trait::async_trait;

use super::{Health, ProviderError};
use crate::domain::ResourceName;

/// Finds out whether resources answer, and can do nothing else to them.
#[async_trait]
pub trait Verify: Send + Sync {
    /// Asks one resource; nothing where there is none of that name.
    async fn verify(&self, resource: &ResourceName) -> Option<Result<Health, ProviderError>>;
}
