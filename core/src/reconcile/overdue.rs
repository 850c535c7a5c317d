//! Closes what is overdue by the expiry that the rules themselves bear: with cloud credentials alone, whatever became of the
//! server and its database.

use ipnet::IpNet;

use crate::domain::{DeploymentId, OpeningId, ResourceName, Span, Timestamp};
use crate::provider::{Allowlist, Allowlists, ProviderError, Removal, SeenRule};

/// A rule of ours whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverdueRule {
    /// On which resource.
    pub resource: ResourceName,
    /// Whom it lets in.
    pub source: IpNet,
    /// Since when it has been overdue.
    pub expired_at: Timestamp,
}

/// Clouds keep the expiry to the second.
const SLACK: Span = Span::from_seconds(1);

/// Removes the rules with our mark whose expiry is past: `owner`'s, or every deployment's, since an overdue rule is one for each.
/// Goes through all resources whatever becomes of one; what was found on each, or why it could not be read or closed.
pub async fn close_overdue(
    allowlists: &Allowlists,
    now: Timestamp,
    owner: Option<&DeploymentId>,
    dry_run: bool,
) -> Vec<(ResourceName, Result<Vec<OverdueRule>, ProviderError>)> {
    let mut all = Vec::with_capacity(allowlists.len());
    for (name, allowlist) in allowlists {
        all.push((name.clone(), close_on(name, allowlist.as_ref(), now, owner, dry_run).await));
    }
    all
}

async fn close_on(
    name: &ResourceName,
    allowlist: &dyn Allowlist,
    now: Timestamp,
    owner: Option<&DeploymentId>,
    dry_run: bool,
) -> Result<Vec<OverdueRule>, ProviderError> {
    let overdue = overdue_of(&allowlist.observe().await?, now, owner);
    let removals: Vec<_> = overdue.iter().map(|(rule, _)| removal_of(rule)).collect();
    if !dry_run && !removals.is_empty() {
        allowlist.remove(&removals).await?;
        let left = overdue_of(&allowlist.observe().await?, now, owner).len();
        if left > 0 {
            let what = format!("removing {} overdue rules", removals.len());
            return Err(ProviderError::Rejected { what, reason: format!("{left} are still there; run the command again") });
        }
    }
    let found = |(rule, expired_at): (SeenRule, _)| OverdueRule { resource: name.clone(), source: rule.source, expired_at };
    Ok(overdue.into_iter().map(found).collect())
}

/// The removal of one rule. Its id says which; a mark that names no opening any more does not keep it open.
pub(super) fn removal_of(rule: &SeenRule) -> Removal {
    let opening = rule.mark.as_ref().and_then(|mark| mark.openings.first().cloned());
    Removal { opening: opening.unwrap_or_else(|| OpeningId::from_stored("")), rules: vec![rule.id.clone()] }
}

/// The rules whose expiry is past by `now`: of this owner, where one is named.
pub(super) fn overdue_of(seen: &[SeenRule], now: Timestamp, owner: Option<&DeploymentId>) -> Vec<(SeenRule, Timestamp)> {
    let overdue = |rule: &SeenRule| {
        let mark = rule.mark.as_ref().filter(|mark| owner.is_none_or(|owner| mark.owner == *owner))?;
        mark.expires_at.filter(|expires_at| expires_at.plus(SLACK) <= now)
    };
    seen.iter().filter_map(|rule| Some((rule.clone(), overdue(rule)?))).collect()
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
            let found = close_overdue(&allowlists, now, None, dry_run).await.remove(0).1.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(group.rules().len(), if dry_run { 3 } else { 2 });
        }
        let other = DeploymentId::from_stored("another");
        assert!(
            close_overdue(&allowlists, now.plus(Span::from_hours(1)), Some(&other), false).await.remove(0).1.unwrap().is_empty()
        );
    }
}
