//! Waiting for a session to change, woken by what this process hears of, and looking by itself for what others did.

use std::time::Duration;

use entryguard_core::domain::{SessionStatus, Span};
use entryguard_core::engine::Engine;
use entryguard_core::store::SessionView;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::http::Shared;
use crate::http::streams::{OneTooMany, SELDOM, Stream};

/// How often to look without having heard anything where another replica may have changed something.
const LOOK: Duration = Duration::from_secs(1);
/// How long what changes at once is gathered.
const GATHER: Duration = Duration::from_millis(50);

/// Hears when something may have changed.
pub struct Changes {
    heard: watch::Receiver<u64>,
    look: Duration,
}

impl Changes {
    /// What changes from now on.
    pub fn of(engine: &Engine) -> Self {
        Self { heard: engine.changes(), look: if engine.hears_every_change() { SELDOM } else { LOOK } }
    }

    /// Waits until something may have changed, a while at the most.
    pub async fn next(&mut self) {
        match timeout(self.look, self.heard.changed()).await {
            Ok(Ok(())) => sleep(GATHER).await,
            // Nobody will tell any more: looking by itself is left.
            Ok(Err(_)) => sleep(LOOK).await,
            Err(_) => {}
        }
    }
}

/// Whoever waits for a session that is on its way, for so long at the most.
pub struct Waiting {
    changes: Changes,
    until: Instant,
    _stream: Option<Stream>,
}

impl Waiting {
    /// Begins. It is before the first look, so what changes meanwhile is heard of.
    pub fn begin(shared: &Shared, whose: String, wait: Option<Span>) -> Result<Self, OneTooMany> {
        let wait = wait.map_or(Duration::ZERO, Span::as_duration);
        let stream = if wait.is_zero() { None } else { Some(shared.streams.open(whose)?) };
        Ok(Self { changes: Changes::of(&shared.engine), until: Instant::now() + wait, _stream: stream })
    }

    /// Waits until it is worth looking again; false where the session is on its way no more, or the time is over.
    pub async fn goes_on(&mut self, view: &SessionView) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() || !is_on_its_way(view) {
            return false;
        }
        // Where the time is over first, one more look tells how it is by now.
        let _ = timeout(left, self.changes.next()).await;
        true
    }
}

/// Whether waiting may show something else soon.
fn is_on_its_way(view: &SessionView) -> bool {
    match view.status() {
        SessionStatus::Requested | SessionStatus::Pending | SessionStatus::Expiring => true,
        SessionStatus::Active | SessionStatus::Partial | SessionStatus::Failed => view.is_extending(),
        SessionStatus::Denied | SessionStatus::Expired | SessionStatus::Cancelled => false,
    }
}

/// Whether nothing of it will ever change again.
pub fn is_over(view: &SessionView) -> bool {
    matches!(view.status(), SessionStatus::Denied | SessionStatus::Expired | SessionStatus::Cancelled)
}
