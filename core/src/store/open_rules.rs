//! What is open on a resource, in the few words that a replica keeps of it in memory.

use super::openings::held_rules;
use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{HeldRule, OpeningId, OpeningState, ResourceName, RuleOwner, Timestamp};

/// An opening that is not gone: its rules of ours, and the expiry that their tags bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRule {
    /// Which opening.
    pub opening: OpeningId,
    /// The provider's rules of ours that it was last seen to be made of.
    pub rules: Vec<HeldRule>,
    /// The expiry that they bear; nothing where none was seen yet.
    pub tagged_until: Option<Timestamp>,
    /// Whether it is being removed, so that nothing wants it again.
    pub is_going: bool,
}

impl Tx {
    /// What is open on a resource, or not surely closed. A row that cannot be read is passed over: the sweep tells of it.
    pub async fn open_rules(&mut self, resource: &ResourceName) -> Result<Vec<OpenRule>, StoreError> {
        let sql = "SELECT id, rules, marked_until, state FROM openings WHERE resource = $1 AND state <> 'GONE' AND state <> 'QUARANTINED'";
        let rows = sqlx::query(sql).bind(resource.as_str()).fetch_all(&mut *self.inner).await?;
        let mut open = Vec::with_capacity(rows.len());
        for row in &rows {
            let Ok(read) = Reader::new(row, "openings", "id") else { continue };
            let Ok(mut rules) = read.parsed("rules", held_rules) else { continue };
            rules.retain(|rule| rule.owner == RuleOwner::Ours);
            let tagged_until = read.optional_time("marked_until")?;
            let is_going = read.text("state")? == OpeningState::Removing.as_str();
            open.push(OpenRule { opening: OpeningId::from_stored(read.text("id")?), rules, tagged_until, is_going });
        }
        Ok(open)
    }
}
