//! Closes at once, and keeps closed until it is lifted. It needs the database alone, so it works beside a running server.

use std::collections::BTreeSet;

use serde_json::json;

use super::apart::{changed_of_each, past_unreadable};
use super::{Engine, EngineError, end_session};
use crate::crash_point;
use crate::domain::foreign_text::one_line;
use crate::domain::{
    Actor, AuditAction, AuditEvent, CLOSED_AT_ONCE, EndReason, Ending, HostAddress, MemberName, Panic, PanicId, PanicScope,
    Resource, ResourceName, RuleEvent, SessionId,
};
use crate::random::Random;
use crate::store::{Store, StoreError, Tx};

/// Sessions closed in one transaction.
const BATCH: u32 = 50;

/// What a panic closed.
#[derive(Debug)]
pub struct PanicClosed {
    /// The sessions that were ended, or that lost the resource.
    pub sessions: Vec<SessionId>,
    /// Why the others could not be, if they could not. The panic is in force, and [`finish_panics`] ends them.
    pub unfinished: Option<StoreError>,
}

/// Closes everything in the scope, and opens nothing there until it is lifted. New sessions are kept out first.
pub async fn close_at_once(
    store: &Store,
    scope: &PanicScope,
    actor: &Actor,
    reason: Option<String>,
    random: &dyn Random,
) -> Result<PanicClosed, StoreError> {
    let reason = reason.map(|reason| one_line(&reason)).filter(|reason| !reason.is_empty());
    let mut tx = store.begin().await?;
    let at = tx.now();
    let by = actor.name().to_owned();
    let panic = Panic { id: PanicId::new(at, random), scope: scope.clone(), reason: reason.clone(), at, by };
    tx.insert_panic(&panic).await?;
    let details = json!({ "scope": scope.to_string(), "reason": reason });
    let event = AuditEvent { at, actor: actor.clone(), action: AuditAction::PanicClosed, session: None, details };
    tx.record(&event, random).await?;
    tx.commit().await?;
    crash_point!(WishCommitted);
    Ok(close_again(store, &panic, actor, random).await)
}

/// Ends what is live under a panic in force: whoever closed it at once may have died before all was, or the database been away. How
/// many sessions that changed. The first error is told after all panics have had their turn.
pub async fn finish_panics(store: &Store, random: &dyn Random) -> Result<usize, StoreError> {
    let (mut changed, mut failed) = (0, None);
    for panic in panics_in_force(store).await? {
        let PanicClosed { sessions, unfinished } = close_again(store, &panic, &Actor::System, random).await;
        changed += sessions.len();
        failed = failed.or(unfinished);
    }
    failed.map_or(Ok(changed), Err)
}

/// Ends what is live under a panic that is in force.
pub(super) async fn close_again(store: &Store, panic: &Panic, actor: &Actor, random: &dyn Random) -> PanicClosed {
    let mut sessions = Vec::new();
    loop {
        match past_unreadable(store, random, || close_some(store, panic, actor, random)).await {
            Ok(None) => return PanicClosed { sessions, unfinished: None },
            Ok(Some(closed)) => sessions.extend(closed),
            Err(error) => {
                tracing::warn!(scope = %panic.scope, %error, "sessions could not be closed together; closing each by itself");
                let PanicClosed { sessions: more, unfinished } = close_apart(store, panic, actor, random).await;
                sessions.extend(more);
                return PanicClosed { sessions, unfinished };
            }
        }
    }
}

/// The same, each session by itself: one that cannot be closed keeps no other open.
async fn close_apart(store: &Store, panic: &Panic, actor: &Actor, random: &dyn Random) -> PanicClosed {
    let live = async || store.begin().await?.live_in(&panic.scope, u32::MAX).await;
    let ids = match live().await {
        Ok(ids) => ids,
        Err(error) => return PanicClosed { sessions: Vec::new(), unfinished: Some(error) },
    };
    let close_one = |id| async move {
        let closed = close_these(store.begin().await?, panic, &[id], actor, random).await?;
        Ok(closed.is_some_and(|closed| !closed.is_empty()))
    };
    let (sessions, unfinished) = changed_of_each(store, random, &ids, close_one).await;
    PanicClosed { sessions, unfinished }
}

/// Lets things be opened again; how many panics that ended.
pub async fn lift_panic(
    store: &Store,
    scope: Option<&PanicScope>,
    actor: &Actor,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    let mut tx = store.begin().await?;
    let at = tx.now();
    let lifted: Vec<_> =
        tx.panics_in_force().await?.into_iter().filter(|panic| scope.is_none_or(|scope| panic.scope == *scope)).collect();
    for panic in &lifted {
        tx.lift_panic(&panic.id, actor.name()).await?;
        let details = json!({ "scope": panic.scope.to_string() });
        let actor = actor.clone();
        tx.record(&AuditEvent { at, actor, action: AuditAction::PanicLifted, session: None, details }, random).await?;
    }
    tx.commit().await?;
    Ok(lifted.len())
}

/// What is closed at once, and not lifted.
pub async fn panics_in_force(store: &Store) -> Result<Vec<Panic>, StoreError> {
    store.begin().await?.panics_in_force().await
}

/// Closes some of what is live, in one transaction; none where nothing is left to be closed.
async fn close_some(
    store: &Store,
    panic: &Panic,
    actor: &Actor,
    random: &dyn Random,
) -> Result<Option<Vec<SessionId>>, StoreError> {
    let mut tx = store.begin().await?;
    let ids = tx.live_in(&panic.scope, BATCH).await?;
    if ids.is_empty() { Ok(None) } else { close_these(tx, panic, &ids, actor, random).await }
}

/// Closes what of these is still open, and says which; none where the panic was lifted.
async fn close_these(
    mut tx: Tx,
    panic: &Panic,
    ids: &[SessionId],
    actor: &Actor,
    random: &dyn Random,
) -> Result<Option<Vec<SessionId>>, StoreError> {
    let scope = &panic.scope;
    // Asked after them: what somebody started because it was lifted is theirs.
    if !tx.panics_in_force().await?.iter().any(|one| one.id == panic.id) {
        return Ok(None);
    }
    let mut resources = BTreeSet::<ResourceName>::new();
    for id in ids {
        resources.extend(tx.rules_of(id).await?.into_iter().map(|rule| rule.resource));
    }
    tx.lock_resources(&resources).await?;
    // All are locked, in order of id, before the audit log is, as everybody does.
    let mut live = Vec::new();
    for id in ids.iter().collect::<BTreeSet<_>>() {
        let lives = tx.lock_session(id).await?.is_some_and(|session| session.ending.is_none());
        // Locked, so as it is now: another replica may have been at it meanwhile.
        if lives && still_wants(&mut tx, id, scope).await? {
            live.push(id.clone());
        }
    }
    for id in &live {
        let at = tx.now();
        let (session, action) = (Some(id.clone()), AuditAction::SessionStopped);
        let details = json!({ "scope": scope.to_string() });
        let event = AuditEvent { at, actor: actor.clone(), action, session, details };
        match scope {
            PanicScope::All | PanicScope::Member(_) => {
                let by = Some(format!("{} (panic)", panic.by));
                end_session(&mut tx, id, &Ending { reason: EndReason::Manual, at, by }, &event, random).await?;
            }
            PanicScope::Resource(name) => {
                take_away(&mut tx, id, name, CLOSED_AT_ONCE).await?;
                tx.record(&AuditEvent { action: AuditAction::SessionNarrowed, ..event }, random).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(Some(live))
}

/// Whether a live session still has something that a scope closes.
async fn still_wants(tx: &mut Tx, id: &SessionId, scope: &PanicScope) -> Result<bool, StoreError> {
    let PanicScope::Resource(name) = scope else { return Ok(true) };
    Ok(tx.rules_of(id).await?.iter().any(|rule| rule.resource == *name && rule.status.is_wanted()))
}

/// Takes one resource from a session that goes on with its others.
pub(super) async fn take_away(tx: &mut Tx, id: &SessionId, resource: &ResourceName, why: &str) -> Result<(), StoreError> {
    let now = tx.now();
    for mut rule in tx.rules_of(id).await? {
        if rule.resource != *resource || !rule.status.is_wanted() {
            continue;
        }
        rule.status = rule.status.after(RuleEvent::RemovalBegan);
        rule.error = Some(why.to_owned());
        let opening = rule.opening.clone();
        tx.set_rule(&rule, &opening, now).await?;
        tx.mark_closing(&opening).await?;
    }
    tx.thread_changed(id);
    Ok(())
}

impl Engine {
    /// Refuses where everything of the member's is closed.
    pub(super) async fn check_no_panic(&self, tx: &mut Tx, member: &MemberName) -> Result<(), EngineError> {
        match tx.panics_in_force().await?.into_iter().find(|panic| panic.scope.closes_member(member)) {
            Some(panic) => Err(panic.into()),
            None => Ok(()),
        }
    }

    /// The same at the end, and for each resource that is to be opened. The audit log is locked by now, and whoever closes at once writes
    /// to it before they look for what is live: either they see this session, or this sees them.
    pub(super) async fn check_no_panic_since(
        &self,
        tx: &mut Tx,
        member: &MemberName,
        resources: &BTreeSet<ResourceName>,
    ) -> Result<(), EngineError> {
        let closes = |scope: &PanicScope| match scope {
            PanicScope::Resource(name) => resources.contains(name),
            PanicScope::All | PanicScope::Member(_) => scope.closes_member(member),
        };
        match tx.panics_in_force().await?.into_iter().find(|panic| closes(&panic.scope)) {
            Some(panic) => Err(panic.into()),
            None => Ok(()),
        }
    }

    /// Takes the closed resources out of the wishes, and says which; refuses where none is left.
    pub(super) async fn leave_out_what_is_closed(
        &self,
        tx: &mut Tx,
        member: &MemberName,
        wishes: &mut Vec<(&Resource, HostAddress)>,
    ) -> Result<BTreeSet<ResourceName>, EngineError> {
        self.check_no_panic(tx, member).await?;
        let mut left_out = BTreeSet::new();
        for panic in tx.panics_in_force().await? {
            let PanicScope::Resource(closed) = &panic.scope else { continue };
            let before = wishes.len();
            wishes.retain(|(resource, _)| resource.name != *closed);
            if wishes.len() < before {
                left_out.insert(closed.clone());
            }
            if wishes.is_empty() {
                return Err(panic.into());
            }
        }
        Ok(left_out)
    }
}

#[cfg(test)]
#[path = "panic_tests.rs"]
mod tests;
