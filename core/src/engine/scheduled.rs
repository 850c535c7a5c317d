//! Starts the sessions of schedules: one for each tick, whichever replica sees it first, for as long as its time lasts. A tick that was
//! missed is made up for, and one that is refused is tried again.

use std::collections::BTreeMap;

use serde_json::json;

use super::begin::Wanted;
use super::{Engine, EngineError, end_because};
use crate::domain::{
    Directory, Drift, DriftKind, LearntBy, RoleName, Schedule, ScheduleName, SessionId, Span, Surface, Timestamp,
};
use crate::store::{Scheduled, SessionView, StoreError};

/// How long to wait before the next try where a start was refused.
const TRY_AGAIN: Span = Span::from_seconds(15);

impl Engine {
    /// Starts the sessions that schedules want by now; how many.
    pub async fn start_scheduled(&self) -> Result<usize, EngineError> {
        let mut started = 0;
        for (schedule, tick) in self.due_ticks().await? {
            match self.start_tick(&schedule, tick).await {
                Ok(did) => started += usize::from(did),
                // Nobody should be kept out for ever by a row that cannot be read; the next look tries again without it.
                Err(EngineError::Store(error)) if self.set_aside(&error).await => {}
                Err(EngineError::Store(error)) => return Err(error.into()),
                Err(refused) => self.note_refused(&schedule, tick, &refused).await?,
            }
        }
        Ok(started)
    }

    async fn due_ticks(&self) -> Result<Vec<(ScheduleName, Timestamp)>, EngineError> {
        let directory = self.directory();
        let mut due = Vec::new();
        if directory.schedules.is_empty() {
            return Ok(due);
        }
        let mut tx = self.store.begin().await?;
        for (name, schedule) in &directory.schedules {
            let ticks = schedule.running_at(tx.now());
            let Some(first) = ticks.first() else { continue };
            let not_due = tx.ticks_not_due(name, *first, TRY_AGAIN).await?;
            due.extend(ticks.into_iter().filter(|tick| !not_due.contains(tick)).map(|tick| (name.clone(), tick)));
        }
        Ok(due)
    }

    /// Starts the session of one tick, unless it has been.
    async fn start_tick(&self, name: &ScheduleName, tick: Timestamp) -> Result<bool, EngineError> {
        let mut tx = self.begin_opening().await?;
        let Some(schedule) = self.directory().schedules.get(name).cloned() else { return Ok(false) };
        // Whoever else starts it waits here, and sees then that it is done.
        self.lock_member(&mut tx, &schedule.member).await?;
        if tx.ticks_not_due(name, tick, Span::from_millis(0)).await?.contains(&tick) {
            return Ok(false);
        }
        if !self.directory().members.contains_key(&schedule.member) {
            return Err(EngineError::MemberLeft(schedule.member));
        }
        let left = schedule.left_of(tick, tx.now());
        if left.is_zero() {
            return Ok(false);
        }
        let duration = self.check_duration(&schedule.member, Some(left), tx.now())?;
        let evidence = json!({
            "learntBy": LearntBy::Configuration.as_str(), "schedule": name.as_str(), "tick": tick.to_string(),
        });
        let Schedule { member, role, addresses, reason, duration: whole, .. } = schedule;
        let wanted = Wanted {
            member,
            surface: Surface::Schedule,
            identity: None,
            duration,
            reason,
            break_glass: false,
            addresses,
            learnt_by: LearntBy::Configuration,
            place: None,
            evidence,
            in_place_of_one: false,
        };
        let session = self.begin_session_on(&mut tx, wanted, role.as_ref()).await?;
        // Dropped without a commit, none of it has been.
        if !tx.tick_started(name, tick, whole, &session.id).await? {
            return Ok(false);
        }
        self.started(tx, session).await.map(|_| true)
    }

    /// Tells people once of each tick.
    async fn note_refused(&self, name: &ScheduleName, tick: Timestamp, refused: &EngineError) -> Result<(), EngineError> {
        let why = refused.to_string();
        let mut tx = self.store.begin().await?;
        if tx.tick_failed(name, tick, &why).await? {
            tracing::warn!(schedule = %name, %tick, why, "a schedule's session could not be started; it is tried again while its time lasts");
            let what = format!("{name} of {tick}: {why}");
            let drift = Drift { at: tx.now(), kind: DriftKind::Unscheduled, resource: None, what };
            tx.note_drift(&drift, self.random.as_ref()).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Ends the sessions of schedules that are no longer configured, or are others by now; how many. In place of the latter their ticks
    /// start others.
    pub(super) async fn end_unscheduled(&self) -> Result<usize, EngineError> {
        let lost = self.past_unreadable(|| self.unscheduled()).await?;
        let ids: Vec<_> = lost.keys().cloned().collect();
        self.to_each(&ids, |id| self.end_of_schedule(lost.get(&id).copied().unwrap_or(CHANGED), id)).await
    }

    async fn end_of_schedule(&self, why: &str, id: SessionId) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let ended = end_because(&mut tx, &id, why, json!({ "why": why }), self.random.as_ref()).await?;
        if ended {
            tx.forget_tick_of(&id).await?;
            tx.commit().await?;
            self.nudge_all();
        }
        Ok(ended)
    }

    async fn unscheduled(&self) -> Result<BTreeMap<SessionId, &'static str>, StoreError> {
        let directory = self.directory();
        let mut tx = self.store.begin().await?;
        let mut lost = BTreeMap::new();
        for scheduled in tx.live_scheduled().await? {
            let Some(view) = tx.session(&scheduled.session).await? else { continue };
            lost.extend(why_unscheduled(&directory, &scheduled, &view).map(|why| (scheduled.session, why)));
        }
        Ok(lost)
    }
}

const CHANGED: &str = "its schedule was changed";

/// Why a schedule's session may not go on, if it may not.
pub(super) fn why_unscheduled(directory: &Directory, scheduled: &Scheduled, view: &SessionView) -> Option<&'static str> {
    let Some(schedule) = scheduled.schedule.as_ref().and_then(|name| directory.schedules.get(name)) else {
        return Some("its schedule is no longer configured");
    };
    // What its role does not give, or does not give it any more, was opened when it was to open more.
    let session = &view.session;
    let stands = view.rules.iter().filter(|rule| rule.status.is_wanted());
    let gives = |role: &RoleName| stands.clone().all(|rule| directory.gives(role, &schedule.member, &rule.resource));
    let same = schedule.role.as_ref().is_none_or(gives)
        && schedule.member == session.member
        && schedule.addresses == session.addresses
        && schedule.ticks.has(scheduled.tick)
        && scheduled.duration.is_none_or(|duration| duration == schedule.duration);
    (!same).then_some(CHANGED)
}
