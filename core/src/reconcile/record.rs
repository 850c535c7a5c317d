//! Records what became of the openings, and what follows for the sessions that hang on them: one transaction, under the lease's fence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::json;

use crate::crash_point;
use crate::domain::{
    Absence, Actor, ApiLimit, AuditAction, AuditEvent, DriftKind, Opening, OpeningEvent, OpeningId, OpeningState, RuleEvent,
    RuleStatus, Session, SessionId, SessionRule, SessionStatus, Span, Timestamp, session_status, why_taken,
};
use crate::provider::Next;
use crate::store::{StoreError, Tx};

use super::judge::{Trouble, Verdict};
use super::offline::Step;
use super::pass::Worked;
use super::plan::{Wish, needs_mark};
use super::{Reconciler, backoff, measure};

/// After so many tries, people are told that it does not work, even where it may yet.
const QUIET_TRIES: u32 = 3;
/// After so many tries of a removal, people are told of it. That is some minutes.
const STUCK_TRIES: u32 = 10;
/// How long a wish waits for the old instance to go. It is also looked at as soon as that one has gone from sight.
const WAIT: Span = Span::from_seconds(5);
/// How often a rule that has to go is looked for on a resource that does not exist.
const WHILE_MISSING: Span = Span::from_seconds(60);

/// What is wanted of an opening.
struct Wanted<'a> {
    wish: Option<Wish>,
    rules: Vec<SessionRule>,
    /// The sessions of those rules, locked.
    sessions: &'a Sessions,
}

/// An opening as it was recorded.
struct Recorded {
    opening: Opening,
    /// When to look at it again.
    due: Option<Timestamp>,
    /// Whether its rules have gone from sight by this pass.
    out_of_sight: bool,
    /// Until when a live session wants it, if one does.
    wanted_until: Option<Timestamp>,
}

impl Reconciler {
    /// Records what passes have found out, all in one transaction. A lease that was lost has its findings dropped: whoever has it now
    /// sees for itself.
    pub(super) async fn record(&self, all: &[Worked]) -> Result<(), StoreError> {
        let mut all: Vec<_> = all.iter().collect();
        // In order of name, as everybody locks resources.
        all.sort_by(|a, b| a.claim.hold.lease.resource.cmp(&b.claim.hold.lease.resource));
        let mut tx = self.store.begin().await?;
        let mut ours = Vec::with_capacity(all.len());
        for worked in all {
            let lease = &worked.claim.hold.lease;
            if tx.give_back(lease).await? {
                ours.push(worked);
            } else {
                tracing::warn!(resource = %lease.resource, "the lease was lost during a pass; its outcome is dropped");
            }
        }
        if ours.is_empty() {
            // Where this goes on, the database is so slow that no pass can be recorded.
            let (now, why) = (Instant::now(), "the lease was lost before the pass could be recorded".to_owned());
            self.offline.steps.failed(Step::Record, now, now, why);
            return Ok(());
        }
        let findings = self.findings_of(&mut tx, &ours).await?;
        let planned = ours.iter().flat_map(|worked| worked.claim.plan.openings()).map(|opening| &opening.id);
        let sessions = lock_sessions(&mut tx, planned.chain(findings.iter().map(|finding| &finding.opening))).await?;
        let before = statuses_of(&mut tx, &sessions).await?;
        let recorded = self.record_openings(&mut tx, &ours, &sessions).await?;
        for finding in &findings {
            self.record_finding(&mut tx, finding, &sessions).await?;
        }
        // What waited for these to go need not wait any longer.
        for Recorded { opening: gone, .. } in recorded.iter().filter(|recorded| recorded.out_of_sight) {
            if let Some(next) = tx.joinable(&gone.resource, gone.address).await? {
                let now = tx.now();
                tx.mark_due(&next.id, now).await?;
            }
        }
        for worked in &ours {
            self.record_standing(&mut tx, worked).await?;
        }
        // Each once, and in order of name, as everybody locks them.
        let throttled = ours.iter().flat_map(|worked| &worked.throttled);
        for limit in throttled.map(|limit| (&limit.api, limit)).collect::<BTreeMap<_, _>>().into_values() {
            slow_down(&mut tx, limit).await?;
        }
        self.record_statuses(&mut tx, &sessions, &before).await?;
        crash_point!(OutcomeWritten);
        tx.commit().await?;
        crash_point!(OutcomeCommitted);
        self.offline.steps.succeeded(Step::Record);
        recorded.iter().for_each(|recorded| self.offline.memory.learn(&recorded.opening, recorded.wanted_until));
        // The loop that records claims next without being woken.
        self.nudges.sessions_changed();
        Ok(())
    }

    async fn record_openings(&self, tx: &mut Tx, worked: &[&Worked], sessions: &Sessions) -> Result<Vec<Recorded>, StoreError> {
        let ids: Vec<_> = worked.iter().flat_map(|worked| &worked.verdicts).map(|(opening, _)| &opening.id).collect();
        let (mut wishes, mut rules) = (tx.wishes_for(&ids).await?, tx.rules_on_each(&ids).await?);
        let mut recorded = Vec::new();
        for Worked { claim, verdicts, .. } in worked {
            for (opening, verdict) in verdicts {
                let (wish, rules) = (wishes.remove(&opening.id), rules.remove(&opening.id).unwrap_or_default());
                let wanted = Wanted { wish, rules, sessions };
                recorded.push(self.record_one(tx, claim.plan.at, opening.clone(), verdict.clone(), wanted).await?);
            }
        }
        let openings: Vec<_> = recorded.iter().map(|recorded| (&recorded.opening, recorded.due)).collect();
        tx.save_openings(&openings, tx.now()).await?;
        Ok(recorded)
    }

    /// Records what has become of one opening; the opening itself is to be written with the others.
    async fn record_one(
        &self,
        tx: &mut Tx,
        read_at: Timestamp,
        mut opening: Opening,
        verdict: Option<Verdict>,
        Wanted { wish, rules, sessions }: Wanted<'_>,
    ) -> Result<Recorded, StoreError> {
        let now = tx.now();
        let closing = opening.is_closing();
        let trouble = verdict.as_ref().and_then(|verdict| verdict.trouble.clone());
        let came_back = opening.unseen_since.is_some() && verdict.as_ref().is_some_and(|verdict| verdict.absent == Some(false));
        let marked_before = opening.marked_until;
        let absence = verdict.and_then(|verdict| self.apply_verdict(&mut opening, verdict, read_at, now));
        if came_back {
            self.record_return(tx, &opening, now).await?;
        }
        let due = match absence {
            _ if came_back => Some(now),
            // The resource does not exist: whether it ever does again, and with the rule, is looked at for as long as it is configured.
            Some(Absence::Agreed) if opening.error.is_some() => Some(now.plus(WHILE_MISSING)),
            _ => self.due_after(&opening, wish.as_ref(), read_at, now),
        };
        if opening.state == OpeningState::Removing && opening.attempts == STUCK_TRIES {
            let why = opening.error.as_deref().unwrap_or("it is still there");
            self.note(tx, DriftKind::Stuck, Some(&opening.resource), format!("{}: {why}", opening.address.cidr())).await?;
        }
        let news = News {
            opening: &opening,
            wanted: wish.is_some(),
            absence,
            trouble: trouble.as_ref(),
            remarked: opening.marked_until != marked_before,
        };
        self.settle_each(tx, rules, sessions, news).await?;
        let out_of_sight = opening.state == OpeningState::Gone || closing && opening.unseen_since.is_some();
        Ok(Recorded { opening, due, out_of_sight, wanted_until: wish.map(|wish| wish.until) })
    }

    /// Lets all session rules on an opening show what it has become.
    pub(super) async fn settle_all(&self, tx: &mut Tx, sessions: &Sessions, news: News<'_>) -> Result<(), StoreError> {
        let rules = tx.rules_on(&news.opening.id).await?;
        self.settle_each(tx, rules, sessions, news).await
    }

    async fn settle_each(
        &self,
        tx: &mut Tx,
        rules: Vec<SessionRule>,
        sessions: &Sessions,
        news: News<'_>,
    ) -> Result<(), StoreError> {
        for rule in rules {
            if let Some(session) = sessions.get(&rule.session) {
                self.settle(tx, rule, session, news).await?;
            }
        }
        Ok(())
    }

    /// Writes down which sessions have become ACTIVE, PARTIAL or FAILED by what was recorded, and which are open no more; people are
    /// told of those that failed.
    pub(super) async fn record_statuses(
        &self,
        tx: &mut Tx,
        sessions: &Sessions,
        before: &BTreeMap<SessionId, Standing>,
    ) -> Result<(), StoreError> {
        for (id, Standing { status, applied }) in statuses_of(tx, sessions).await? {
            let before = before.get(&id);
            let (action, drift) = match status {
                _ if before.is_some_and(|before| before.status == status) => continue,
                SessionStatus::Active => (AuditAction::SessionActive, None),
                SessionStatus::Partial => (AuditAction::SessionPartial, Some(DriftKind::Partial)),
                SessionStatus::Failed => (AuditAction::SessionFailed, Some(DriftKind::Failed)),
                SessionStatus::Pending if before.is_some_and(|before| before.status.is_open() && before.applied > applied) => {
                    (AuditAction::SessionInterrupted, None)
                }
                _ => continue,
            };
            self.audit(tx, action, &id, json!({ "status": status.as_str() }), tx.now()).await?;
            if let (Some(kind), Some(session)) = (drift, sessions.get(&id)) {
                self.note(tx, kind, None, format!("{} of {}", id.short(), session.member)).await?;
            }
        }
        Ok(())
    }

    pub(super) fn due_after(
        &self,
        opening: &Opening,
        wish: Option<&Wish>,
        read_at: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let retry = || now.plus(backoff::delay(opening.attempts, self.random.as_ref()));
        if let (OpeningState::Removing, Some(since), None) = (opening.state, opening.unseen_since, &opening.error) {
            return self.later_reads.next(since, read_at, opening.was_seen());
        }
        match (opening.state, wish) {
            (OpeningState::Gone, _) => None,
            // It could not be looked for: where it could, what was seen decides when to look again.
            (OpeningState::Present, Some(_)) if opening.unseen_since.is_some() => Some(now.plus(WAIT)),
            (OpeningState::Present, Some(wish)) if !needs_mark(opening, wish.until) => None,
            // The wish moved while we were at work.
            (OpeningState::Present | OpeningState::Adding, None) => Some(now),
            (OpeningState::Adding, Some(_)) if opening.attempts == 0 => Some(now.plus(WAIT)),
            (OpeningState::Present, Some(_)) if opening.error.is_none() => Some(now),
            (OpeningState::Adding | OpeningState::Present | OpeningState::Removing, _) => Some(retry()),
        }
    }

    /// Lets a session rule show what its opening has become, and writes the audit event.
    pub(super) async fn settle(
        &self,
        tx: &mut Tx,
        mut rule: SessionRule,
        session: &Session,
        news: News<'_>,
    ) -> Result<(), StoreError> {
        let News { opening, trouble, remarked, .. } = news;
        let before = rule.clone();
        if let Some(event) = event_for(&rule, session, news) {
            rule.status = rule.status.after(event);
        }
        rule.error = match (rule.status, trouble) {
            // Its session goes on: people should see what took it away.
            (RuleStatus::Removed, _) | (RuleStatus::Removing, None) if session.ending.is_none() => {
                Some(why_taken(rule.error.as_deref()).to_owned())
            }
            (RuleStatus::Removing, Some(trouble)) if session.ending.is_none() => {
                Some(format!("{}: {}", why_taken(rule.error.as_deref()), trouble.message))
            }
            (RuleStatus::Removed, _) | (RuleStatus::Applied, None) => None,
            (_, Some(trouble)) => Some(trouble.message.clone()),
            (RuleStatus::Removing, None) => opening.error.clone(),
            (RuleStatus::Pending, None) if before.status != RuleStatus::Pending => None,
            (RuleStatus::Pending | RuleStatus::Failed, None) => rule.error,
        };
        let now = tx.now();
        if rule == before {
            // A longer time is shown, and told of, once the cloud has it.
            if remarked && session.ending.is_none() {
                tx.thread_changed(&session.id);
            }
            return Ok(());
        }
        tx.set_rule(&rule, &opening.id, now).await?;
        if rule.status != before.status {
            measure_rule(&before, &rule, session, now);
            self.audit_rule(tx, &rule, opening, now).await?;
        }
        if rule.status == RuleStatus::Removed && tx.close_if_done(&session.id, now).await? {
            self.audit(tx, AuditAction::SessionClosed, &session.id, json!({}), now).await?;
        }
        tx.thread_changed(&session.id);
        Ok(())
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

    /// Writes into the opening what its pass has found out; of one that was told to go, how certain it is that it has gone.
    fn apply_verdict(&self, opening: &mut Opening, verdict: Verdict, read_at: Timestamp, now: Timestamp) -> Option<Absence> {
        let clean = verdict.trouble.is_none();
        opening.error = verdict.trouble.map(|trouble| trouble.message);
        if let Some(rules) = verdict.rules {
            opening.rules = rules;
            opening.marked_until = verdict.marked_until;
        }
        let absence = match verdict.absent {
            Some(true) => {
                let since = *opening.unseen_since.get_or_insert(now);
                match self.later_reads.judge(since, read_at, opening.was_seen()) {
                    Absence::Final if !clean => Some(Absence::Agreed),
                    judged => Some(judged),
                }
            }
            Some(false) => {
                opening.unseen_since = None;
                None
            }
            None => None,
        };
        let gone = (absence == Some(Absence::Final)).then_some(OpeningEvent::SeenGone);
        if let Some(event) = verdict.event.or(gone) {
            match opening.state.after(event) {
                Ok(state) => opening.state = state,
                Err(illegal) => tracing::error!(opening = %opening.id, %illegal, "a verdict was ignored"),
            }
        }
        if clean && (verdict.event.is_some() || absence.is_some()) {
            opening.attempts = 0;
        }
        absence
    }

    /// A rule that had gone from sight is there again: it is removed again, and somebody should know.
    async fn record_return(&self, tx: &mut Tx, opening: &Opening, at: Timestamp) -> Result<(), StoreError> {
        tracing::warn!(resource = %opening.resource, address = %opening.address, "a rule that was gone is there again; it is removed again");
        let rules: Vec<_> = opening.our_rules().map(|held| held.id.as_str()).collect();
        let details = json!({
            "resource": opening.resource.as_str(), "address": opening.address.to_string(), "opening": opening.id.as_str(),
            "providerRules": rules,
        });
        let event = AuditEvent { at, actor: Actor::System, action: AuditAction::RuleReturned, session: None, details };
        tx.record(&event, self.random.as_ref()).await?;
        self.note(tx, DriftKind::Returned, Some(&opening.resource), opening.address.cidr()).await
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

/// The provider has refused a call for its number: all replicas call less for a while.
async fn slow_down(tx: &mut Tx, limit: &ApiLimit) -> Result<(), StoreError> {
    for bucket in tx.buckets(&BTreeMap::from([(limit.api.clone(), limit.clone())])).await?.values_mut() {
        bucket.throttle(limit);
        tx.save_bucket(limit, bucket).await?;
    }
    Ok(())
}

fn measure_rule(before: &SessionRule, rule: &SessionRule, session: &Session, now: Timestamp) {
    match (rule.status, &session.ending) {
        (RuleStatus::Applied, _) if before.applied_at.is_none() => measure::opened(now.since(session.started_at)),
        (RuleStatus::Removed, Some(ending)) => measure::closed(now.since(ending.at)),
        _ => {}
    }
}

/// The sessions that a transaction has locked.
pub(super) type Sessions = BTreeMap<SessionId, Session>;

/// What has become of an opening.
#[derive(Clone, Copy)]
pub(super) struct News<'a> {
    pub(super) opening: &'a Opening,
    pub(super) wanted: bool,
    pub(super) absence: Option<Absence>,
    pub(super) trouble: Option<&'a Trouble>,
    // Whether the cloud has another end of it than before.
    pub(super) remarked: bool,
}

/// What an opening's present state means for one session rule on it.
fn event_for(rule: &SessionRule, session: &Session, news: News<'_>) -> Option<RuleEvent> {
    let News { opening, wanted, absence, trouble, .. } = news;
    let is_over = session.ending.is_some() || rule.status == RuleStatus::Removing;
    match opening.state {
        OpeningState::Gone => Some(RuleEvent::Removed),
        // It is over for this session, and others go on wanting the opening: for this one it is done.
        OpeningState::Present | OpeningState::Adding if is_over && wanted => Some(RuleEvent::Removed),
        OpeningState::Present | OpeningState::Adding if is_over => Some(RuleEvent::RemovalBegan),
        // A later read has agreed. Should one after that not agree, the rule is removed again, and that is told of.
        OpeningState::Removing if absence == Some(Absence::Agreed) => Some(RuleEvent::Removed),
        OpeningState::Removing => Some(RuleEvent::RemovalBegan),
        // In doubt: what was shown before stays, and nothing new is shown.
        OpeningState::Present if opening.unseen_since.is_some() => None,
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
            match (trouble, rule.status) {
                (Some(_), _) if loud => Some(RuleEvent::Failed),
                // It was there.
                (_, RuleStatus::Applied) => Some(RuleEvent::Lost),
                (None, RuleStatus::Failed) if opening.attempts == 0 => Some(RuleEvent::TriedAgain),
                _ => None,
            }
        }
    }
}

/// What a live session shows.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    status: SessionStatus,
    // How many of its rules are there.
    applied: usize,
}

/// What live sessions show.
pub(super) async fn statuses_of(tx: &mut Tx, sessions: &Sessions) -> Result<BTreeMap<SessionId, Standing>, StoreError> {
    let live: Vec<_> = sessions.values().filter(|session| session.ending.is_none()).collect();
    let mut rules = tx.rule_statuses(live.iter().map(|session| &session.id)).await?;
    let mut statuses = BTreeMap::new();
    for session in live {
        let rules = rules.remove(&session.id).unwrap_or_default();
        let applied = rules.iter().filter(|rule| **rule == RuleStatus::Applied).count();
        let status = session_status(&session.approval, None, &rules);
        statuses.insert(session.id.clone(), Standing { status, applied });
    }
    Ok(statuses)
}

/// Locks the sessions that hang on openings, in order of id, as everybody does.
pub(super) async fn lock_sessions<'a>(
    tx: &mut Tx,
    openings: impl Iterator<Item = &'a OpeningId>,
) -> Result<Sessions, StoreError> {
    let openings: Vec<_> = openings.collect::<BTreeSet<_>>().into_iter().collect();
    let rules = tx.rules_on_each(&openings).await?;
    let ids: BTreeSet<_> = rules.into_values().flatten().map(|rule| rule.session).collect();
    let sessions = tx.lock_sessions(&ids).await?;
    Ok(sessions.into_iter().map(|session| (session.id.clone(), session)).collect())
}
