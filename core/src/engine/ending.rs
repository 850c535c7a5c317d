//! How a session ends, whoever or whatever ends it: one place, so that stopping and running out cannot differ.

use std::collections::BTreeSet;

use serde_json::json;

use crate::domain::{Actor, AuditAction, AuditEvent, EndReason, Ending, RuleEvent, RuleStatus, SessionId};
use crate::random::Random;
use crate::store::{StoreError, Tx};

/// Ends a live session that nobody asked to end, and says why; false where it is over already. It takes the locks.
pub(super) async fn end_because(
    tx: &mut Tx,
    id: &SessionId,
    why: &str,
    details: serde_json::Value,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    end_as(tx, id, Actor::System, format!("entryguard ({why})"), details, random).await
}

/// Ends a live session in somebody's name; false where it is over already. It takes the locks.
pub(super) async fn end_as(
    tx: &mut Tx,
    id: &SessionId,
    actor: Actor,
    by: String,
    details: serde_json::Value,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let resources: BTreeSet<_> = tx.rules_of(id).await?.into_iter().map(|rule| rule.resource).collect();
    tx.lock_resources(&resources).await?;
    if tx.lock_session(id).await?.is_none_or(|session| session.ending.is_some()) {
        return Ok(false);
    }
    let at = tx.now();
    let ending = Ending { reason: EndReason::Manual, at, by: Some(by) };
    let event = AuditEvent { at, actor, action: AuditAction::SessionStopped, session: Some(id.clone()), details };
    end_session(tx, id, &ending, &event, random).await?;
    Ok(true)
}

/// Ends a session, as `event` tells it: its wishes are over, and its openings are due. Where another live session wants an opening,
/// this one's rule is done with at once; the others go. The caller holds the locks on the session and its resources.
pub(crate) async fn end_session(
    tx: &mut Tx,
    id: &SessionId,
    ending: &Ending,
    event: &AuditEvent,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let follows =
        |action, details| AuditEvent { at: ending.at, actor: Actor::System, action, session: Some(id.clone()), details };
    tx.end_session(id, ending).await?;
    tx.record(event, random).await?;
    for mut rule in tx.rules_of(id).await? {
        let opening = rule.opening.clone();
        let wanted_by_others = tx.wish_for(&opening).await?.is_some();
        rule.status = rule.status.after(if wanted_by_others { RuleEvent::Removed } else { RuleEvent::RemovalBegan });
        tx.set_rule(&rule, &opening, ending.at).await?;
        if rule.status == RuleStatus::Removed {
            let details = json!({
                "resource": rule.resource.as_str(), "address": rule.address.to_string(), "opening": opening.as_str(),
                "leftToOthers": true,
            });
            tx.record(&follows(AuditAction::RuleRemoved, details), random).await?;
        }
        if wanted_by_others {
            // The end that it bears in the cloud may have to move back to the others' end.
            tx.mark_due(&opening, ending.at).await?;
        } else {
            tx.mark_closing(&opening).await?;
        }
    }
    if tx.close_if_done(id, ending.at).await? {
        tx.record(&follows(AuditAction::SessionClosed, json!({})), random).await?;
    }
    tx.thread_changed(id);
    Ok(())
}
