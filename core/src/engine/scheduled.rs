//! Starts the sessions of schedules: one for each tick, whichever replica sees it first, for as long as its time lasts. A tick that was
//! missed is made up for, and one that is refused is tried again.

use serde_json::json;

use super::start::Wanted;
use super::{Engine, EngineError, end_because};
use crate::domain::{Drift, DriftKind, LearntBy, Schedule, ScheduleName, Session, SessionId, Span, Surface, Timestamp};
use crate::store::Tx;

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
        let directory = self.directory();
        let member = directory.members.get(&schedule.member);
        let member = member.ok_or_else(|| EngineError::MemberLeft(schedule.member.clone()))?;
        let left = schedule.left_of(tick, tx.now());
        if left.is_zero() {
            return Ok(false);
        }
        let duration = self.check_duration(&member.name, Some(left), tx.now())?;
        let evidence = json!({
            "learntBy": LearntBy::Configuration.as_str(), "schedule": name.as_str(), "tick": tick.to_string(),
        });
        let Schedule { member: of, addresses, reason, .. } = schedule;
        let wanted = Wanted {
            member: of,
            surface: Surface::Schedule,
            duration,
            reason,
            break_glass: false,
            addresses,
            place: None,
            evidence,
            in_place_of_one: false,
        };
        let session = self.begin_session(&mut tx, member, wanted).await?;
        // Dropped without a commit, none of it has been.
        if !tx.tick_started(name, tick, &session.id).await? {
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

    /// Ends the sessions of schedules that are no longer configured, or are for somebody or somewhere else by now; how many. In place of
    /// the latter their ticks start others.
    pub(super) async fn end_unscheduled(&self) -> Result<usize, EngineError> {
        let mut ended = 0;
        let mut tx = self.store.begin().await?;
        let lost = self.unscheduled(&mut tx).await?;
        drop(tx);
        for (id, why) in lost {
            let mut tx = self.store.begin().await?;
            let details = json!({ "why": why });
            if end_because(&mut tx, &id, why, details, self.random.as_ref()).await? {
                tx.forget_tick_of(&id).await?;
                tx.commit().await?;
                ended += 1;
                self.nudge_all();
            }
        }
        Ok(ended)
    }

    async fn unscheduled(&self, tx: &mut Tx) -> Result<Vec<(SessionId, &'static str)>, EngineError> {
        let directory = self.directory();
        let mut lost = Vec::new();
        for (name, id) in tx.live_scheduled().await? {
            let Some(view) = tx.session(&id).await? else { continue };
            lost.extend(why_unscheduled(directory.schedules.get(&name), &view.session).map(|why| (id, why)));
        }
        Ok(lost)
    }
}

/// Why a schedule's session may not go on, if it may not.
pub(super) fn why_unscheduled(schedule: Option<&Schedule>, session: &Session) -> Option<&'static str> {
    match schedule {
        None => Some("its schedule is no longer configured"),
        Some(schedule) if schedule.member != session.member || schedule.addresses != session.addresses => {
            Some("its schedule was changed")
        }
        Some(_) => None,
    }
}
