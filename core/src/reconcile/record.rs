//! Records what became of the openings, and what follows for the sessions that hang on them: one transaction, under the lease's fence.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::crash_point;
use crate::domain::{
    Actor, AuditAction, AuditEvent, Opening, OpeningState, RuleEvent, RuleStatus, Session, SessionId, SessionRule, Span,
    Timestamp,
};
use crate::provider::Next;
use crate::store::{Lease, StoreError, Tx};

use super::judge::{Trouble, Verdict};
use super::plan::{Wish, needs_mark};
use super::{Reconciler, backoff};

/// After so many tries, people are told that it does not work, even where it may yet.
const QUIET_TRIES: u32 = 3;
/// How long a wish waits for the old instance to go. It is also looked at as soon as that one is gone.
const WAIT: Span = Span::from_seconds(5);

impl Reconciler {
    /// Records the verdicts, unless the lease was lost: then whoever has it now sees for itself.
    pub(super) async fn record(
        &self,
        lease: &Lease,
        plan: &super::Plan,
        verdicts: Vec<(Opening, Option<Verdict>)>,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        if !tx.give_back(lease).await? {
            tracing::warn!(resource = %lease.resource, "the lease was lost during a pass; its outcome is dropped");
            return Ok(());
        }
        let sessions = lock_sessions(&mut tx, plan).await?;
        for (opening, verdict) in verdicts {
            self.record_one(&mut tx, opening, verdict, &sessions).await?;
        }
        crash_point!(OutcomeWritten);
        tx.commit().await?;
        crash_point!(OutcomeCommitted);
        self.nudges.chat.notify_one();
        self.nudges.reconcile.notify_one();
        Ok(())
    }

    async fn record_one(
        &self,
        tx: &mut Tx,
        mut opening: Opening,
        verdict: Option<Verdict>,
        sessions: &BTreeMap<SessionId, Session>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let wish = tx.wish_for(&opening.id).await?;
        let trouble = verdict.as_ref().and_then(|verdict| verdict.trouble.clone());
        if let Some(verdict) = verdict {
            apply_verdict(&mut opening, verdict);
        }
        let due = self.due_after(&opening, wish.as_ref(), now);
        tx.save_opening(&opening, due, now).await?;
        if opening.state == OpeningState::Gone
            && let Some(next) = tx.joinable(&opening.resource, opening.address).await?
        {
            tx.mark_due(&next.id, now).await?;
        }
        for rule in tx.rules_on(&opening.id).await? {
            if let Some(session) = sessions.get(&rule.session) {
                let news = News { opening: &opening, wanted: wish.is_some(), trouble: trouble.as_ref() };
                self.settle(tx, rule, session, news).await?;
            }
        }
        Ok(())
    }

    fn due_after(&self, opening: &Opening, wish: Option<&Wish>, now: Timestamp) -> Option<Timestamp> {
        let retry = || now.plus(backoff::delay(opening.attempts, self.random.as_ref()));
        match (opening.state, wish) {
            (OpeningState::Gone, _) => None,
            (OpeningState::Present, Some(wish)) if !needs_mark(opening, wish.until) => None,
            // The wish moved while we were at work.
            (OpeningState::Present | OpeningState::Adding, None) => Some(now),
            (OpeningState::Adding, Some(_)) if opening.attempts == 0 => Some(now.plus(WAIT)),
            (OpeningState::Present, Some(_)) if opening.error.is_none() => Some(now),
            (OpeningState::Adding | OpeningState::Present | OpeningState::Removing, _) => Some(retry()),
        }
    }

    /// Lets a session rule show what its opening has become, and writes the audit event.
    async fn settle(&self, tx: &mut Tx, mut rule: SessionRule, session: &Session, news: News<'_>) -> Result<(), StoreError> {
        let News { opening, trouble, .. } = news;
        let before = rule.clone();
        if let Some(event) = event_for(&rule, session, news) {
            rule.status = rule.status.after(event);
        }
        rule.error = match (rule.status, trouble) {
            (RuleStatus::Removed, _) | (RuleStatus::Applied, None) => None,
            (_, Some(trouble)) => Some(trouble.message.clone()),
            (RuleStatus::Pending | RuleStatus::Failed | RuleStatus::Removing, None) => rule.error,
        };
        if rule == before {
            return Ok(());
        }
        let now = self.clock.now();
        tx.set_rule(&rule, &opening.id, now).await?;
        if rule.status != before.status {
            self.audit_rule(tx, &rule, opening, now).await?;
        }
        if rule.status == RuleStatus::Removed && tx.close_if_done(&session.id, now).await? {
            self.audit(tx, AuditAction::SessionClosed, &session.id, json!({}), now).await?;
        }
        tx.thread_changed(&session.id, now).await
    }

    async fn audit_rule(&self, tx: &mut Tx, rule: &SessionRule, opening: &Opening, now: Timestamp) -> Result<(), StoreError> {
        let action = match rule.status {
            RuleStatus::Applied => AuditAction::RuleApplied,
            RuleStatus::Failed => AuditAction::RuleFailed,
            RuleStatus::Removed => AuditAction::RuleRemoved,
            RuleStatus::Pending => AuditAction::RuleLost,
            // The session's own end says it.
            RuleStatus::Removing => return Ok(()),
        };
        let rules: Vec<_> = opening.rules.iter().map(|held| held.id.as_str()).collect();
        let details = json!({
            "resource": rule.resource.as_str(), "address": rule.address.to_string(), "opening": opening.id.as_str(),
            "providerRules": rules, "foreign": opening.is_foreign(), "error": rule.error,
        });
        self.audit(tx, action, &rule.session, details, now).await
    }

    pub(super) async fn audit(
        &self,
        tx: &mut Tx,
        action: AuditAction,
        session: &SessionId,
        details: serde_json::Value,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let event = AuditEvent { at, actor: Actor::System, action, session: Some(session.clone()), details };
        tx.record(&event, self.random.as_ref()).await
    }
}

fn apply_verdict(opening: &mut Opening, verdict: Verdict) {
    if let Some(event) = verdict.event {
        match opening.state.after(event) {
            Ok(state) => opening.state = state,
            Err(illegal) => tracing::error!(opening = %opening.id, %illegal, "a verdict was ignored"),
        }
        if verdict.trouble.is_none() {
            opening.attempts = 0;
        }
    }
    if let Some(rules) = verdict.rules {
        opening.rules = rules;
        opening.marked_until = verdict.marked_until;
    }
    opening.error = verdict.trouble.map(|trouble| trouble.message);
}

/// What has become of an opening.
#[derive(Clone, Copy)]
struct News<'a> {
    opening: &'a Opening,
    wanted: bool,
    trouble: Option<&'a Trouble>,
}

/// What an opening's present state means for one session rule on it.
fn event_for(rule: &SessionRule, session: &Session, news: News<'_>) -> Option<RuleEvent> {
    let News { opening, wanted, trouble } = news;
    match opening.state {
        OpeningState::Gone => Some(RuleEvent::Removed),
        // Its session is over, and others go on wanting the opening: for this session it is done.
        OpeningState::Present | OpeningState::Adding if session.ending.is_some() && wanted => Some(RuleEvent::Removed),
        OpeningState::Present | OpeningState::Adding if session.ending.is_some() => Some(RuleEvent::RemovalBegan),
        OpeningState::Removing => Some(RuleEvent::RemovalBegan),
        OpeningState::Present => {
            // A longer time is confirmed only once the cloud knows it; what was there before is there still.
            let marked = opening.marked_until.is_some_and(|until| until.as_seconds() >= session.expires_at.as_seconds());
            let refused = trouble.is_some_and(|trouble| trouble.next == Next::GiveUp);
            match opening.is_foreign() || marked || rule.status == RuleStatus::Applied {
                true => Some(RuleEvent::Applied),
                false => refused.then_some(RuleEvent::Failed),
            }
        }
        OpeningState::Adding => {
            let loud = trouble.is_some_and(|trouble| trouble.next == Next::GiveUp) || opening.attempts >= QUIET_TRIES;
            (trouble.is_some() && loud).then_some(RuleEvent::Failed)
        }
    }
}

async fn lock_sessions(tx: &mut Tx, plan: &super::Plan) -> Result<BTreeMap<SessionId, Session>, StoreError> {
    let mut ids = BTreeSet::new();
    for opening in plan.openings() {
        ids.extend(tx.rules_on(&opening.id).await?.into_iter().map(|rule| rule.session));
    }
    let mut sessions = BTreeMap::new();
    for id in ids {
        if let Some(session) = tx.lock_session(&id).await? {
            sessions.insert(id, session);
        }
    }
    Ok(sessions)
}
