//! Who follows sessions: streams of events and requests that wait. There are only so many, and only so many of them look at once: what
//! closes sessions uses the same connections to the database, and must not queue behind those who watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entryguard_core::domain::MemberName;
use http::HeaderName;
use tokio::sync::Semaphore;

/// How many one member, or whoever holds a session's key, may have open.
const EACH: usize = 16;
/// How many there may be in all: connections are files, and of those a process often has no more than 1,024.
const ALL: usize = 500;
/// How many look at once.
const LOOKS: usize = 2;
/// How often to look where every change is heard of: a hint may be missing.
pub const SELDOM: Duration = Duration::from_secs(10);
/// When to come again: some are over by then.
pub const AGAIN: Duration = Duration::from_secs(15);
/// What each stream bears, so that no proxy holds its events back.
pub const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// Who follows sessions in this process.
pub struct Streams {
    open: Mutex<BTreeMap<String, usize>>,
    looks: Semaphore,
}

/// Somebody who follows a session, until it is dropped.
pub struct Stream {
    streams: Arc<Streams>,
    whose: String,
}

/// One too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", match self {
    Self::OfOne => format!("You follow {EACH} sessions or pages at once already. Close some of them, or come again in a while; stopping is never refused."),
    Self::InAll => "Too many people and programs follow sessions here at once. Come again in a while; stopping is never refused.".to_owned(),
})]
pub enum OneTooMany {
    /// Of the same member, or session.
    OfOne,
    /// Of all together.
    InAll,
}

impl Default for Streams {
    fn default() -> Self {
        Self { open: Mutex::default(), looks: Semaphore::new(LOOKS) }
    }
}

impl Streams {
    /// Lets a member follow something.
    pub fn of_member(self: &Arc<Self>, member: &MemberName) -> Result<Stream, OneTooMany> {
        self.open(format!("member {member}"))
    }

    /// Lets whoever is so called follow something.
    pub fn open(self: &Arc<Self>, whose: String) -> Result<Stream, OneTooMany> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= ALL {
            return Err(OneTooMany::InAll);
        }
        let count = open.entry(whose.clone()).or_default();
        if *count >= EACH {
            return Err(OneTooMany::OfOne);
        }
        *count += 1;
        drop(open);
        Ok(Stream { streams: Arc::clone(self), whose })
    }

    /// Looks, once it is this one's turn.
    pub async fn look<T>(&self, looking: impl Future<Output = T>) -> T {
        // Nobody closes it.
        let _turn = self.looks.acquire().await;
        looking.await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_keeps_nobody_else_out_and_all_together_are_bounded() {
        let streams = Arc::new(Streams::default());
        let of = |whose: usize| streams.open(format!("member {whose}"));
        let mut ana: Vec<_> = (0..EACH).map(|_| of(0).unwrap()).collect();
        assert_eq!(of(0).err(), Some(OneTooMany::OfOne));
        drop(of(1).unwrap());
        ana.pop();
        ana.push(of(0).unwrap());
        let others: Vec<_> = (EACH..ALL).map(|number| of(1 + number / EACH).unwrap()).collect();
        assert_eq!(of(9_999).err(), Some(OneTooMany::InAll));
        drop((ana, others));
        assert!(streams.open.lock().unwrap().is_empty(), "what is over is forgotten");
    }

    #[tokio::test]
    async fn only_a_few_look_at_once() {
        let streams = Arc::new(Streams::default());
        let (stand, go) = tokio::sync::oneshot::channel::<()>();
        let stuck = || {
            let (streams, forever) = (Arc::clone(&streams), std::future::pending::<()>());
            tokio::spawn(async move { streams.look(forever).await })
        };
        let (first, _second) = (stuck(), stuck());
        tokio::task::yield_now().await;
        let third = {
            let streams = Arc::clone(&streams);
            tokio::spawn(async move { streams.look(async { stand.send(()) }).await })
        };
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        first.abort();
        go.await.unwrap();
    }
}
