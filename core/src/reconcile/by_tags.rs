//! Closes by the tags that the rules themselves bear what is overdue, or everything: with cloud credentials alone, whatever became of
//! the server and its database.

use futures_util::{StreamExt, stream};
use ipnet::IpNet;

use crate::domain::{DeploymentId, OpeningId, ResourceName, Span, Timestamp};
use crate::provider::{Allowlist, Allowlists, ProviderError, Removal, SeenRule};

/// A rule of ours that was closed by its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedRule {
    /// On which resource.
    pub resource: ResourceName,
    /// Whom it lets in.
    pub source: IpNet,
    /// The end that its tags say, if they say one.
    pub expires_at: Option<Timestamp>,
}

/// Which of our rules are closed by their tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByTags {
    /// Those whose expiry is past at this time.
    Overdue(Timestamp),
    /// All, whatever their expiry says: a lockdown that the database cannot store.
    All,
}

/// Clouds keep the expiry to the second.
const SLACK: Span = Span::from_seconds(1);
/// Resources worked on at once: one that does not answer must not keep the others open.
const AT_ONCE: usize = 8;

impl ByTags {
    fn takes(self, rule: &SeenRule, owner: Option<&DeploymentId>) -> bool {
        let Some(mark) = rule.mark.as_ref().filter(|mark| owner.is_none_or(|owner| mark.owner == *owner)) else { return false };
        match self {
            Self::All => true,
            Self::Overdue(now) => mark.expires_at.is_some_and(|expires_at| expires_at.plus(SLACK) <= now),
        }
    }

    /// The rules to close: of this owner, where one is named.
    fn of(self, seen: &[SeenRule], owner: Option<&DeploymentId>) -> Vec<SeenRule> {
        seen.iter().filter(|rule| self.takes(rule, owner)).cloned().collect()
    }
}

/// Removes rules with our mark: `owner`'s, or every deployment's, since an overdue rule is one for each. Goes through all resources
/// whatever becomes of one; what was found on each, or why it could not be read or closed.
pub async fn close_by_tags(
    allowlists: &Allowlists,
    which: ByTags,
    owner: Option<&DeploymentId>,
    dry_run: bool,
) -> Vec<(ResourceName, Result<Vec<TaggedRule>, ProviderError>)> {
    let closing = stream::iter(allowlists)
        .map(|(name, allowlist)| async move { (name.clone(), close_on(name, allowlist.as_ref(), which, owner, dry_run).await) });
    closing.buffered(AT_ONCE).collect().await
}

async fn close_on(
    name: &ResourceName,
    allowlist: &dyn Allowlist,
    which: ByTags,
    owner: Option<&DeploymentId>,
    dry_run: bool,
) -> Result<Vec<TaggedRule>, ProviderError> {
    let rules = which.of(&allowlist.observe().await?, owner);
    let removals: Vec<_> = rules.iter().map(removal_of).collect();
    if !dry_run && !removals.is_empty() {
        allowlist.remove(&removals).await?;
        let left = which.of(&allowlist.observe().await?, owner).len();
        if left > 0 {
            let what = format!("removing {} rules", removals.len());
            return Err(ProviderError::Rejected { what, reason: format!("{left} are still there; run the command again") });
        }
    }
    let found = |rule: SeenRule| {
        let expires_at = rule.mark.and_then(|mark| mark.expires_at);
        TaggedRule { resource: name.clone(), source: rule.source, expires_at }
    };
    Ok(rules.into_iter().map(found).collect())
}

/// The removal of one rule. Its id says which; a mark that names no opening any more does not keep it open.
pub(super) fn removal_of(rule: &SeenRule) -> Removal {
    let opening = rule.mark.as_ref().and_then(|mark| mark.openings.first().cloned());
    Removal { opening: opening.unwrap_or_else(|| OpeningId::from_stored("")), rules: vec![rule.id.clone()] }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{HostAddress, MemberName, RulePart, SessionId};
    use crate::provider::{Addition, SimulatedAllowlist};

    fn addition(opening: &str, address: &str, until: i64) -> Addition {
        Addition {
            opening: OpeningId::from_stored(opening),
            address: HostAddress::parse(address).unwrap(),
            parts: vec![RulePart("tcp 22".into())],
            until: Timestamp::from_millis(until),
            member: MemberName::new("ana").unwrap(),
            session: SessionId::from_stored("s"),
        }
    }

    #[tokio::test]
    async fn i3_only_marked_rules_whose_time_is_over_are_closed() {
        let group = Arc::new(SimulatedAllowlist::new(DeploymentId::from_stored("d"), &["tcp 22"]));
        group.add(&[addition("old", "93.184.216.34", 10_000), addition("new", "93.184.216.35", 90_000)]).await.unwrap();
        group.add_by_hand("93.184.216.36/32".parse().unwrap(), "tcp 22");
        let allowlists = Allowlists::from([(ResourceName::new("bastion").unwrap(), group.clone() as Arc<dyn Allowlist>)]);
        let now = Timestamp::from_millis(20_000);
        for dry_run in [true, false] {
            let found = close_by_tags(&allowlists, ByTags::Overdue(now), None, dry_run).await.remove(0).1.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(group.rules().len(), if dry_run { 3 } else { 2 });
        }
        let other = DeploymentId::from_stored("another");
        let later = ByTags::Overdue(now.plus(Span::from_hours(1)));
        assert!(close_by_tags(&allowlists, later, Some(&other), false).await.remove(0).1.unwrap().is_empty());
    }

    #[tokio::test]
    async fn i3_a_lockdown_by_tags_closes_every_marked_rule_and_no_other() {
        let group = Arc::new(SimulatedAllowlist::new(DeploymentId::from_stored("d"), &["tcp 22"]));
        group.add(&[addition("old", "93.184.216.34", 10_000), addition("new", "93.184.216.35", 90_000)]).await.unwrap();
        group.add_by_hand("93.184.216.36/32".parse().unwrap(), "tcp 22");
        let allowlists = Allowlists::from([(ResourceName::new("bastion").unwrap(), group.clone() as Arc<dyn Allowlist>)]);
        let found = close_by_tags(&allowlists, ByTags::All, None, false).await.remove(0).1.unwrap();
        assert_eq!((found.len(), group.rules().len()), (2, 1));
        assert!(group.rules()[0].mark.is_none());
    }
}
