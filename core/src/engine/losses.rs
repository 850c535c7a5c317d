//! What sessions lose where members, roles, resources or schedules are others: asked before a configuration is gone by, and after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::scheduled::why_unscheduled;
use crate::domain::{Directory, MemberName, ResourceName, Session, SessionId, SessionRule, Timestamp};
use crate::store::{Listed, SessionFilter, SessionView, Store, StoreError, Tx};

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
    /// When it ends now, where that is sooner.
    pub until: Option<Timestamp>,
    /// Whether it goes on, with others or for a while.
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
    for (session, cut) in cut_by_hours(&mut tx, &directory).await? {
        match losses.get_mut(&session) {
            Some(loss) if cut.goes_on => loss.until = cut.until,
            Some(loss) if !loss.goes_on => {}
            _ => drop(losses.insert(session, cut)),
        }
    }
    for scheduled in tx.live_scheduled().await? {
        let view = match tx.session(&scheduled.session).await {
            // Whoever has to end it sets it aside; a look changes nothing.
            Err(StoreError::Unreadable { .. }) => continue,
            view => view?,
        };
        let Some(view) = view else { continue };
        if let Some(why) = why_unscheduled(&directory, &scheduled, &view) {
            losses.insert(scheduled.session, Loss { goes_on: false, why, ..whole(&view.session, &view.rules) });
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

/// The sessions that outlast the hours of their members' roles.
async fn cut_by_hours(tx: &mut Tx, directory: &Directory) -> Result<Vec<(SessionId, Loss)>, StoreError> {
    let (now, mut cut) = (tx.now(), Vec::new());
    if directory.roles.values().all(|role| role.hours.is_none()) {
        return Ok(cut);
    }
    let members: BTreeSet<_> = tx.held().await?.into_iter().map(|(member, _)| member).collect();
    for member in members {
        let (goes_on, until) = match directory.open_until(&member, now) {
            Ok(None) => continue,
            Ok(Some((until, _))) => (true, until),
            Err(_) => (false, now),
        };
        let filter = SessionFilter { member: Some(member), listed: Listed::Live, at_most: AT_MOST, ..SessionFilter::default() };
        let views = tx.sessions(&filter).await?;
        let outlasts = |view: &&SessionView| !view.session.approval.is_awaited() && view.session.expires_at > until;
        cut.extend(views.iter().filter(outlasts).map(|view| {
            let all = whole(&view.session, &view.rules);
            let (until, why) = (goes_on.then_some(until), "the hours of its roles are over");
            let resources = if goes_on { BTreeSet::new() } else { all.resources };
            (view.session.id.clone(), Loss { resources, goes_on, until, why, ..all })
        }));
    }
    Ok(cut)
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
    let stands = |rule: &&SessionRule| rule.status.is_wanted();
    Loss {
        session: session.id.clone(),
        member: session.member.clone(),
        resources: rules.iter().filter(stands).map(|rule| rule.resource.clone()).collect(),
        until: None,
        goes_on: false,
        why: "",
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.resources.iter().map(ResourceName::as_str).collect::<Vec<_>>().join(", ");
        let (session, member) = (self.session.short(), &self.member);
        match (self.goes_on, self.until) {
            (false, _) => write!(f, "session {session} of {member} closes: {}", self.why),
            (true, Some(until)) if resources.is_empty() => {
                write!(f, "session {session} of {member} ends at {until}: the hours of its roles are over then")
            }
            (true, Some(until)) => {
                write!(f, "session {session} of {member} loses {resources}: {}; and ends at {until}, as the hours do", self.why)
            }
            (true, None) => write!(f, "session {session} of {member} loses {resources}: {}", self.why),
        }
    }
}
