//! What must be true of the sessions, known without looking into the database.

use entryguard_core::domain::{SessionId, Span, Timestamp};

use crate::process::LONGEST_HOURS;
use crate::step::From;

/// The sessions, in the order of their starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub sessions: Vec<Expected>,
}

/// What must be true of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub id: SessionId,
    pub member: usize,
    pub from: From,
    pub started_at: Timestamp,
    pub first_end: Timestamp,
    pub end: Timestamp,
    pub ended: Option<EndedBy>,
}

/// What ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    Somebody,
    Clock,
}

impl Model {
    /// The session of this number, taken modulo how many there are.
    pub fn number(&self, number: usize) -> Option<&Expected> {
        self.sessions.get(number % self.sessions.len().max(1))
    }

    pub fn get_mut(&mut self, id: &SessionId) -> &mut Expected {
        self.sessions.iter_mut().find(|session| session.id == *id).expect("a session that was started")
    }

    /// The clock has looked at every session.
    pub fn clock_ran(&mut self, now: Timestamp) {
        for session in self.sessions.iter_mut().filter(|session| session.ended.is_none() && session.end <= now) {
            session.ended = Some(EndedBy::Clock);
        }
    }
}

impl Expected {
    /// Where an extension moves the end.
    pub fn end_after(&self, by: Span) -> Timestamp {
        self.end.plus(by).min(self.latest_end())
    }

    pub fn latest_end(&self) -> Timestamp {
        self.started_at.plus(Span::from_hours(LONGEST_HOURS))
    }
}
