//! What sessions lose where members, roles, resources or schedules are others: asked before a configuration is gone by, and after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::scheduled::why_unscheduled;
use crate::domain::{Directory, MemberName, ResourceName, RuleStatus, Session, SessionId, SessionRule};
use crate::store::{Listed, SessionFilter, Store, StoreError, Tx};

/// Sessions of one member that are looked at.
const AT_MOST: u32 = 1_000;

/// What one session loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub member: MemberName,
    /// The resources that it loses.
    pub resources: BTreeSet<ResourceName>,
    /// Whether it goes on with others.
    pub goes_on: bool,
    /// Why.
    pub why: &'static str,
}

/// What sessions would lose by another configuration, which changes nothing yet.
pub async fn losses_by(store: &Store, configured: &Directory) -> Result<Vec<Loss>, StoreError> {
    let mut tx = store.begin().await?;
    let directory = configured.knowing(&tx.known().await?);
    let mut losses = BTreeMap::new();
    for member in who_holds_too_much(&mut tx, &directory).await? {
        let filter = SessionFilter { member: Some(member), listed: Listed::Live, at_most: AT_MOST, ..SessionFilter::default() };
        for view in tx.sessions(&filter).await? {
            losses.extend(loss_of(&view.session, &view.rules, &directory).map(|loss| (view.session.id.clone(), loss)));
        }
    }
    for (name, id) in tx.live_scheduled().await? {
        let Some(view) = tx.session(&id).await? else { continue };
        if let Some(why) = why_unscheduled(directory.schedules.get(&name), &view.session) {
            losses.insert(id, Loss { goes_on: false, why, ..whole(&view.session, &view.rules) });
        }
    }
    Ok(losses.into_values().collect())
}

/// Whoever holds what their roles do not give. One question for all, however many sessions there are.
pub(super) async fn who_holds_too_much(tx: &mut Tx, directory: &Directory) -> Result<BTreeSet<MemberName>, StoreError> {
    let given = |member: &MemberName, resource: Option<&ResourceName>| {
        let given = directory.resources_of(member);
        let is_member = directory.members.contains_key(member) && !given.is_empty();
        is_member && resource.is_none_or(|held| given.iter().any(|resource| resource.name == *held))
    };
    let too_much = tx.held().await?.into_iter().filter(|(member, resource)| !given(member, resource.as_ref()));
    Ok(too_much.map(|(member, _)| member).collect())
}

/// What a live session holds that its member's roles do not give, if there is anything.
pub(super) fn loss_of(session: &Session, rules: &[SessionRule], directory: &Directory) -> Option<Loss> {
    let all = whole(session, rules);
    let member = directory.members.get(&session.member);
    let given: BTreeSet<_> = match member {
        Some(member) => directory.resources_of(&member.name).iter().map(|resource| resource.name.clone()).collect(),
        None => BTreeSet::new(),
    };
    let goes_on = match session.approval.is_awaited() {
        true => !given.is_empty(),
        false => all.resources.intersection(&given).next().is_some(),
    };
    let resources: BTreeSet<_> = all.resources.difference(&given).cloned().collect();
    let why = if member.is_none() { "no longer a member" } else { "no role gives it any more" };
    (!goes_on || !resources.is_empty()).then_some(Loss { resources, goes_on, why, ..all })
}

/// All that a session holds.
fn whole(session: &Session, rules: &[SessionRule]) -> Loss {
    // What was taken before is no news.
    let stands = |rule: &&SessionRule| !matches!(rule.status, RuleStatus::Removing | RuleStatus::Removed);
    Loss {
        session: session.id.clone(),
        member: session.member.clone(),
        resources: rules.iter().filter(stands).map(|rule| rule.resource.clone()).collect(),
        goes_on: false,
        why: "",
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.resources.iter().map(ResourceName::as_str).collect::<Vec<_>>().join(", ");
        let (session, member) = (self.session.short(), &self.member);
        match self.goes_on {
            true => write!(f, "session {session} of {member} loses {resources}: {}", self.why),
            false => write!(f, "session {session} of {member} closes: {}", self.why),
        }
    }
}
