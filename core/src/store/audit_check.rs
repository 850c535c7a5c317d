//! Checks the audit log's chain of hashes a page at a time: all of it, or what has come since it was found sound.

use super::{AuditRange, Store, StoreError};
use crate::domain::{Anchor, ChainBreak, ChainCheck, SoundChain};

/// So many entries are in memory at once.
const PAGE: u32 = 500;

impl Store {
    /// Checks the whole log, and that an entry that was noted elsewhere is in it.
    pub async fn check_log(&self, expected: Option<Anchor>) -> Result<Result<SoundChain, ChainBreak>, StoreError> {
        // What is written from here on is left to the next check.
        let (head, range) = self.audit_head().await?;
        self.check(ChainCheck::of_log(head).expecting(expected), Some(range)).await
    }

    /// Checks what has come since the log was found sound.
    pub async fn check_log_since(&self, sound: &SoundChain) -> Result<Result<SoundChain, ChainBreak>, StoreError> {
        let (head, range) = self.audit_head().await?;
        let rest = sound.last.map_or(Some(range), |(last, _)| range.after_place(last));
        self.check(ChainCheck::of_log_since(head, sound), rest).await
    }

    async fn check(
        &self,
        mut check: ChainCheck,
        mut rest: Option<AuditRange>,
    ) -> Result<Result<SoundChain, ChainBreak>, StoreError> {
        while let Some(range) = rest {
            let page = self.audit_page(range, PAGE).await?;
            if let Err(broken) = page.iter().try_for_each(|entry| check.see(entry)) {
                return Ok(Err(broken));
            }
            rest = page.last().and_then(|entry| range.after(entry));
        }
        Ok(check.finish())
    }
}
