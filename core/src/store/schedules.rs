//! The ticks of schedules, and the sessions that they started.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{StoreError, Tx};
use crate::domain::{ScheduleName, SessionId, Span, Timestamp};

/// A live session that a schedule has started.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// By which schedule; none that could be configured where its name cannot be read.
    pub schedule: Option<ScheduleName>,
    /// At which of its ticks.
    pub tick: Timestamp,
    /// For how long from the tick on, where that was kept.
    pub duration: Option<Span>,
    /// The session.
    pub session: SessionId,
}

impl Tx {
    /// The ticks of a schedule from a time on that are done with, or were tried no longer ago than `patience`.
    pub async fn ticks_not_due(
        &mut self,
        schedule: &ScheduleName,
        since: Timestamp,
        patience: Span,
    ) -> Result<BTreeSet<Timestamp>, StoreError> {
        let rows = sqlx::query(
            "SELECT tick FROM schedule_ticks WHERE schedule = $1 AND tick >= $2 AND (session IS NOT NULL OR tried_at > $3)",
        )
        .bind(schedule.as_str())
        .bind(since.as_millis())
        .bind(self.now.minus(patience).as_millis())
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter().map(|row| Ok(Timestamp::from_millis(row.try_get("tick")?))).collect()
    }

    /// Writes down which session a tick has started; false where it has started one already.
    pub async fn tick_started(
        &mut self,
        schedule: &ScheduleName,
        tick: Timestamp,
        duration: Span,
        session: &SessionId,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO schedule_ticks (schedule, tick, session, tried_at, duration) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (schedule, tick) DO UPDATE SET session = excluded.session, tried_at = excluded.tried_at,
                 duration = excluded.duration, error = NULL
             WHERE schedule_ticks.session IS NULL",
        )
        .bind(schedule.as_str())
        .bind(tick.as_millis())
        .bind(session.as_str())
        .bind(self.now.as_millis())
        .bind(duration.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes down why a tick could not start a session; whether that is the first time.
    pub async fn tick_failed(&mut self, schedule: &ScheduleName, tick: Timestamp, error: &str) -> Result<bool, StoreError> {
        let (now, tick) = (self.now.as_millis(), tick.as_millis());
        let first = sqlx::query(
            "INSERT INTO schedule_ticks (schedule, tick, tried_at, error) VALUES ($1, $2, $3, $4)
             ON CONFLICT (schedule, tick) DO NOTHING",
        );
        let first = first.bind(schedule.as_str()).bind(tick).bind(now).bind(error).execute(&mut *self.inner).await?;
        let again = sqlx::query(
            "UPDATE schedule_ticks SET tried_at = $1, error = $2 WHERE schedule = $3 AND tick = $4 AND session IS NULL",
        );
        again.bind(now).bind(error).bind(schedule.as_str()).bind(tick).execute(&mut *self.inner).await?;
        Ok(first.rows_affected() == 1)
    }

    /// The live sessions that schedules have started.
    pub async fn live_scheduled(&mut self) -> Result<Vec<Scheduled>, StoreError> {
        let rows = sqlx::query(
            "SELECT schedule_ticks.schedule AS schedule, schedule_ticks.tick AS tick, schedule_ticks.duration AS duration,
                    sessions.id AS id
             FROM schedule_ticks JOIN sessions ON sessions.id = schedule_ticks.session
             WHERE sessions.ended_at IS NULL AND sessions.quarantined_at IS NULL ORDER BY sessions.id",
        )
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter().map(scheduled_from).collect()
    }

    /// Which tick a session is of, if a schedule has started it.
    pub async fn tick_of(&mut self, session: &SessionId) -> Result<Option<Scheduled>, StoreError> {
        let sql = "SELECT schedule, tick, duration, session AS id FROM schedule_ticks WHERE session = $1";
        let row = sqlx::query(sql).bind(session.as_str()).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(scheduled_from).transpose()
    }

    /// Lets a tick start another session, in place of one that the configuration has changed under.
    pub async fn forget_tick_of(&mut self, session: &SessionId) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE schedule_ticks SET session = NULL, tried_at = 0 WHERE session = $1");
        query.bind(session.as_str()).execute(&mut *self.inner).await?;
        Ok(())
    }
}

fn scheduled_from(row: &AnyRow) -> Result<Scheduled, StoreError> {
    Ok(Scheduled {
        schedule: ScheduleName::new(&row.try_get::<String, _>("schedule")?).ok(),
        tick: Timestamp::from_millis(row.try_get("tick")?),
        duration: row.try_get::<Option<i64>, _>("duration")?.map(Span::from_millis),
        session: SessionId::from_stored(row.try_get::<String, _>("id")?),
    })
}
