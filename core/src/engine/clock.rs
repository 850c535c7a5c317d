//! An operator says that a clock which had gone back is right: the one time is set to it. It needs the database alone, so it works beside a
//! running server.
//!
//! The time never goes back by itself: after a clock was ahead for a while, it goes on from there, and nothing is opened until the clock has
//! caught up, which may take years. Setting the time back would make everything that is live last longer, so every session ends first, and
//! with them what was handed out by the wrong time.

use serde_json::json;

use super::apart::{past_unreadable, to_each};
use super::ending::end_as;
use crate::clock::TOLERANCE;
use crate::crash_point;
use crate::domain::{Actor, AuditAction, AuditEvent, PanicScope, SessionId, Span, Timestamp};
use crate::random::Random;
use crate::store::{Store, StoreError};

/// How often to look for live sessions again: while the clock is behind none is started, so twice is enough.
const ROUNDS: usize = 5;

/// What the time is, and what the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// The time that rules every decision.
    pub time: Timestamp,
    /// The clock: the database's with Postgres, and this machine's with SQLite.
    pub clock: Timestamp,
    /// How many sessions are live.
    pub live_sessions: usize,
}

/// A clock that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedClock {
    /// What the time was.
    pub from: Timestamp,
    /// What it is since.
    pub to: Timestamp,
    /// How many sessions that ended.
    pub sessions_ended: usize,
}

/// Why a clock was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ClockNotAccepted {
    /// The time follows it anyway.
    #[error("the clock is not behind the time, so there is nothing to accept")]
    NotBehind,
    /// The operator has to say that they may end.
    #[error(
        "{0} sessions are live; accepting the clock ends them: run the command again with --end-sessions, or wait until they are over"
    )]
    Live(usize),
    /// Sessions go on to be started.
    #[error("sessions are still being started, so the clock was not accepted; run the command again")]
    Busy,
    /// The database's trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ClockState {
    /// How far the clock is behind the time.
    pub fn behind(&self) -> Span {
        self.time.since(self.clock)
    }

    /// Whether openings are refused because of it.
    pub fn is_behind(&self) -> bool {
        self.behind() > TOLERANCE
    }
}

/// What the time is, and what the clock says.
pub async fn clock_state(store: &Store) -> Result<ClockState, StoreError> {
    let mut tx = store.begin().await?;
    let time = tx.now();
    let live_sessions = tx.live_in(&PanicScope::All, u32::MAX).await?.len();
    Ok(ClockState { time, clock: time.minus(store.clock_behind()), live_sessions })
}

/// Sets the time to the clock, which an operator says is right. Every live session ends.
pub async fn accept_clock(
    store: &Store,
    end_sessions: bool,
    actor: &Actor,
    random: &dyn Random,
) -> Result<AcceptedClock, ClockNotAccepted> {
    let mut sessions_ended = 0;
    for _ in 0..ROUNDS {
        let state = clock_state(store).await?;
        if !state.is_behind() {
            return Err(ClockNotAccepted::NotBehind);
        }
        if state.live_sessions > 0 && !end_sessions {
            return Err(ClockNotAccepted::Live(state.live_sessions));
        }
        sessions_ended += end_all(store, actor, random).await?;
        if let Some((from, to)) = set_back(store, sessions_ended, actor, random).await? {
            return Ok(AcceptedClock { from, to, sessions_ended });
        }
    }
    Err(ClockNotAccepted::Busy)
}

async fn end_all(store: &Store, actor: &Actor, random: &dyn Random) -> Result<usize, StoreError> {
    let live = async || store.begin().await?.live_in(&PanicScope::All, u32::MAX).await;
    let ids = past_unreadable(store, random, live).await?;
    to_each(store, random, &ids, |id| end_one(store, id, actor, random)).await
}

async fn end_one(store: &Store, id: SessionId, actor: &Actor, random: &dyn Random) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let by = format!("{} (clock accepted)", actor.name());
    let ended = end_as(&mut tx, &id, actor.clone(), by, json!({ "why": "the clock is accepted" }), random).await?;
    if ended {
        // A schedule starts another session for what is left of its time.
        tx.forget_tick_of(&id).await?;
        tx.commit().await?;
    }
    Ok(ended)
}

/// The time before and after; nothing where sessions are live again.
async fn set_back(
    store: &Store,
    sessions_ended: usize,
    actor: &Actor,
    random: &dyn Random,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let mut tx = store.begin_alone().await?;
    let from = tx.now();
    let to = from.minus(store.clock_behind());
    if tx.has_live_sessions().await? {
        return Ok(None);
    }
    tx.accept_clock(to).await?;
    let details = json!({ "from": from.to_string(), "to": to.to_string(), "sessionsEnded": sessions_ended });
    let event = AuditEvent { at: to, actor: actor.clone(), action: AuditAction::ClockAccepted, session: None, details };
    tx.record(&event, random).await?;
    crash_point!(WishWritten);
    tx.commit().await?;
    crash_point!(WishCommitted);
    Ok(Some((from, to)))
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
