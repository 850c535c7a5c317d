//! A file as an allowlist. Its rules are named by their openings, so they can be removed even if they were never seen.
//!
//! The command after a change runs every time, also when nothing had to be written: a crash between the rename and the command
//! leaves a file that its reader has not read, and only the retry can know.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use entryguard_core::domain::{AllowlistFile, DeploymentId, FileFormat, ProviderRuleId, ResourceName, RulePart};
use entryguard_core::provider::{Addition, Allowlist, Health, ProviderError, Remark, Removal, SeenRule};
use entryguard_core::trusted_file::Untrusted;

use crate::block::{Document, Entry};
use crate::own_thread::OwnThread;
use crate::{after_change, format, rewrite};

/// A file of allowed addresses.
#[derive(Clone, Debug)]
pub struct FileAllowlist {
    file: AllowlistFile,
    owner: DeploymentId,
    resource: ResourceName,
    parts: [RulePart; 1],
    thread: Arc<OwnThread>,
}

impl FileAllowlist {
    /// The file; `owner` marks the entries that it makes, between the markers of `resource`.
    pub fn new(file: &AllowlistFile, owner: DeploymentId, resource: &ResourceName) -> Self {
        let thread = OwnThread::of(&file.path);
        Self { file: file.clone(), owner, resource: resource.clone(), parts: [RulePart(String::new())], thread }
    }

    fn shown(&self) -> String {
        self.file.path.display().to_string()
    }

    fn local(&self, reason: &dyn std::fmt::Display) -> ProviderError {
        ProviderError::Local { what: self.shown(), reason: reason.to_string() }
    }

    fn refused(&self, error: &Untrusted) -> ProviderError {
        match error {
            Untrusted::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.local(&format!("{error}; let EntryGuard's user read the file and write in its folder"))
            }
            _ => {
                let text = error.to_string();
                // The path is named already.
                match text.strip_prefix(&format!("{} ", self.shown())) {
                    Some(rest) => self.local(&format!("it {rest}")),
                    None => self.local(&text),
                }
            }
        }
    }

    fn read(&self) -> Result<Document, ProviderError> {
        let content = rewrite::read(&self.file.path).map_err(|error| match error.is_missing() {
            true => ProviderError::Missing { what: format!("the folder of {}", self.shown()) },
            false => self.refused(&error),
        })?;
        Document::parse(&content, &self.resource).map_err(|damaged| self.local(&damaged))
    }

    /// Changes the block, if `change` does: reads right before it writes. Gives what `change` found.
    async fn rewrite<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Document) -> T + Send + 'static,
    ) -> Result<T, ProviderError> {
        self.on_disk(move |this| {
            let mut document = this.read()?;
            let before = document.clone();
            let found = change(&mut document);
            if document != before {
                rewrite::replace(&this.file.path, &document.render(&this.resource)).map_err(|error| this.refused(&error))?;
            }
            Ok(found)
        })
        .await
    }

    /// Works on the file's own thread, where waiting for the disk delays no other work.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let this = self.clone();
        let done = self.thread.run(move || work(&this)).await;
        done.map_err(|why| ProviderError::Unreachable {
            provider: "the file system",
            reason: format!("{}: {why}", self.shown()),
        })?
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
        let foreign = document.foreign_lines().filter_map(|line| rule(format!("line:{line}"), &line, None)).map(Ok);
        ours.chain(foreign).collect()
    }

    fn check(&self) -> Result<Health, ProviderError> {
        let rules = self.look()?;
        let warnings = rewrite::check_replaceable(&self.file.path).map_err(|error| self.refused(&error))?;
        if !after_change::can_be_found(&self.file.after_change) {
            return Err(self.local(&format!(
                "the command after a change, `{}`, is not a program that can be run",
                self.file.after_change.join(" ")
            )));
        }
        let ours = rules.iter().filter(|rule| rule.mark.is_some()).count();
        Ok(Health { summary: format!("{} addresses, {ours} of them ours", rules.len()), warnings })
    }
}

#[async_trait]
impl Allowlist for FileAllowlist {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        self.on_disk(Self::look).await
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        let (format, owner, additions) = (self.file.format, self.owner.clone(), additions.to_vec());
        let duplicate = self.rewrite(move |document| let_in(document, &additions, &owner, format)).await?;
        // Before anything is said of a duplicate: whoever hears of one looks at the file, and asks for no more if all is in it.
        self.put_in_force().await?;
        if duplicate { Err(ProviderError::Duplicate) } else { Ok(()) }
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        let remarks = remarks.to_vec();
        // A mark is a comment: whoever reads the file need not read it again.
        self.rewrite(move |document| {
            for entry in &mut document.entries {
                if let Some(remark) = remarks.iter().find(|remark| remark.opening == entry.opening) {
                    *entry = entry.until(remark.until);
                }
            }
        })
        .await
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        let removals = removals.to_vec();
        let named = move |entry: &Entry| removals.iter().any(|removal| removal.opening == entry.opening);
        self.rewrite(move |document| document.entries.retain(|entry| !named(entry))).await?;
        self.put_in_force().await
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        self.on_disk(Self::check).await
    }
}

/// Adds the entries that are not there yet. Whether somebody else's line lets in one of the addresses already.
fn let_in(document: &mut Document, additions: &[Addition], owner: &DeploymentId, format: FileFormat) -> bool {
    let foreign: Vec<_> = document.foreign_lines().filter_map(|line| format::read(format, &line)).collect();
    let mut duplicate = false;
    for addition in additions.iter().filter(|addition| !addition.parts.is_empty()) {
        let there = |entry: &Entry| entry.opening == addition.opening && entry.is_for(addition.address, format);
        if document.entries.iter().any(there) {
            continue;
        }
        if foreign.contains(&addition.address.ip().into()) {
            duplicate = true;
            continue;
        }
        document.entries.retain(|entry| entry.opening != addition.opening);
        document.entries.push(Entry::new(addition, owner, format));
    }
    duplicate
}

#[cfg(test)]
#[path = "allowlist_tests.rs"]
mod tests;
