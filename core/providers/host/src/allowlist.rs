//! A file as an allowlist. Its rules are named by their openings, so they can be removed even if they were never seen.
//!
//! The command after a change runs every time, also when nothing had to be written: a crash between the rename and the command
//! leaves a file that its reader has not read, and only the retry can know.

use async_trait::async_trait;
use entryguard_core::domain::{AllowlistFile, DeploymentId, ProviderRuleId, ResourceName, RulePart};
use entryguard_core::provider::{Addition, Allowlist, Health, ProviderError, Remark, Removal, SeenRule};

use crate::block::{Document, Entry};
use crate::{after_change, format, rewrite};

/// A file of allowed addresses.
#[derive(Clone, Debug)]
pub struct FileAllowlist {
    file: AllowlistFile,
    owner: DeploymentId,
    resource: ResourceName,
    parts: [RulePart; 1],
}

impl FileAllowlist {
    /// The file; `owner` marks the entries that it makes, between the markers of `resource`.
    pub fn new(file: &AllowlistFile, owner: DeploymentId, resource: &ResourceName) -> Self {
        Self { file: file.clone(), owner, resource: resource.clone(), parts: [RulePart(String::new())] }
    }

    fn shown(&self) -> String {
        self.file.path.display().to_string()
    }

    fn local(&self, reason: &dyn std::fmt::Display) -> ProviderError {
        ProviderError::Local { what: self.shown(), reason: reason.to_string() }
    }

    fn read(&self) -> Result<Document, ProviderError> {
        let text = rewrite::read(&self.file.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ProviderError::Missing { what: format!("the folder of {}", self.shown()) },
            _ => self.local(&error),
        })?;
        Document::parse(&text, &self.resource).map_err(|damaged| self.local(&damaged))
    }

    /// Changes the block, if `change` does, on a thread where waiting for the disk holds up nobody.
    async fn rewrite(&self, change: impl FnOnce(&mut Vec<Entry>) + Send + 'static) -> Result<(), ProviderError> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut document = this.read()?;
            let before = document.clone();
            change(&mut document.entries);
            if document == before {
                return Ok(());
            }
            rewrite::replace(&this.file.path, &document.render(&this.resource)).map_err(|error| this.local(&error))
        });
        done.await.map_err(|error| self.local(&error))?
    }

    async fn observed<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Self) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || look(&this)).await.map_err(|error| self.local(&error))?
    }

    async fn put_in_force(&self) -> Result<(), ProviderError> {
        let done = after_change::run(&self.file.after_change, self.file.after_change_timeout.as_duration()).await;
        done.map_err(|reason| ProviderError::NotInForce { what: self.shown(), reason })
    }

    fn look(&self) -> Result<Vec<SeenRule>, ProviderError> {
        let document = self.read()?;
        let rule = |id: String, line: &str, mark| {
            let source = format::read(self.file.format, line)?;
            Some(SeenRule { id: ProviderRuleId::from_stored(id), source, part: self.parts[0].clone(), mark })
        };
        let unreadable = |entry: &Entry| self.local(&format!("the line `{}` between the markers cannot be read", entry.line));
        let ours = document
            .entries
            .iter()
            .map(|entry| rule(entry.opening.to_string(), &entry.line, Some(entry.mark())).ok_or_else(|| unreadable(entry)));
        let foreign = document.foreign_lines().filter_map(|line| rule(format!("line:{line}"), line, None)).map(Ok);
        ours.chain(foreign).collect()
    }

    fn check(&self) -> Result<Health, ProviderError> {
        let rules = self.look()?;
        rewrite::check_replaceable(&self.file.path).map_err(|error| self.local(&error))?;
        if !after_change::can_be_found(&self.file.after_change) {
            return Err(self.local(&format!("the command after a change, `{}`, is not there", self.file.after_change.join(" "))));
        }
        let ours = rules.iter().filter(|rule| rule.mark.is_some()).count();
        Ok(Health { summary: format!("{} addresses, {ours} of them ours", rules.len()), warnings: Vec::new() })
    }
}

#[async_trait]
impl Allowlist for FileAllowlist {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        self.observed(Self::look).await
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        let there = self.observe().await?;
        let foreign = |addition: &Addition| there.iter().any(|rule| rule.mark.is_none() && rule.is_for(addition.address));
        if additions.iter().any(foreign) {
            return Err(ProviderError::Duplicate);
        }
        let (format, owner, additions) = (self.file.format, self.owner.clone(), additions.to_vec());
        self.rewrite(move |entries| {
            for addition in &additions {
                if !entries.iter().any(|entry| entry.opening == addition.opening && entry.is_for(addition.address, format)) {
                    entries.retain(|entry| entry.opening != addition.opening);
                    entries.push(Entry::new(addition, &owner, format));
                }
            }
        })
        .await?;
        self.put_in_force().await
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        let remarks = remarks.to_vec();
        // A mark is a comment: whoever reads the file need not read it again.
        self.rewrite(move |entries| {
            for entry in entries {
                if let Some(remark) = remarks.iter().find(|remark| remark.opening == entry.opening) {
                    *entry = entry.until(remark.until);
                }
            }
        })
        .await
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        let removals = removals.to_vec();
        self.rewrite(move |entries| entries.retain(|entry| !removals.iter().any(|removal| removal.opening == entry.opening)))
            .await?;
        self.put_in_force().await
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        self.observed(Self::check).await
    }
}

#[cfg(test)]
#[path = "allowlist_tests.rs"]
mod tests;
