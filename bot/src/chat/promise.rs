//! Chats wait three seconds for an answer: whatever takes longer is promised, and follows where the request has said, or to the person.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use entryguard_core::domain::PanicScope;
use entryguard_core::engine::{Engine, Outage};
use entryguard_core::reply;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::task::TaskTracker;

use super::ChatError;

/// What is said where the work broke off.
pub const FAILED: &str =
    "EntryGuard could not do that: something went wrong on our side. Try again; if it goes on, ask an administrator.";

/// People are told within two seconds; what is left of the three belongs to the network.
const AT_ONCE: Duration = Duration::from_millis(1800);
/// How long an answer that was promised is tried for.
const TRIED_FOR: Duration = Duration::from_secs(20 * 60);
/// How long a chat may take to show what an answer is to stand in the place of.
const SHOWN_AFTER: Duration = Duration::from_secs(6);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It was taken before.
    Repeated,
    /// The database could not say whether it was, so nothing is done.
    Unchecked(Outage),
}

/// A request that is to be taken once, by its name, and whether it has been.
#[derive(Clone)]
pub struct Taking {
    engine: Engine,
    name: String,
    is_taken: Arc<AtomicBool>,
}

impl Taking {
    /// A request of this name.
    pub fn new(engine: &Engine, name: String) -> Self {
        Self { engine: engine.clone(), name, is_taken: Arc::default() }
    }

    /// Takes it.
    pub async fn take(&self) -> Result<(), NotTaken> {
        match self.engine.accept_once(&self.name).await {
            Ok(true) => {
                self.is_taken.store(true, Ordering::Relaxed);
                Ok(())
            }
            Ok(false) => Err(NotTaken::Repeated),
            Err(error) => {
                tracing::error!(error = ?error, "a request could not be checked for repetition");
                Err(NotTaken::Unchecked(error.outage().unwrap_or(Outage::Other)))
            }
        }
    }

    /// What to tell its person meanwhile, where it waits for the database; `closes` is what it is to close at once.
    pub fn waiting(&self, closes: Option<&PanicScope>) -> Option<String> {
        let is_taken = self.is_taken.load(Ordering::Relaxed);
        let outage = self.engine.outage().or_else(|| (!is_taken).then_some(Outage::Slow))?;
        Some(reply::waiting(outage, is_taken, closes))
    }
}

/// What comes of the work for as long as a chat waits; after that the work itself, which goes on as one that was promised.
pub async fn at_once<T: Send + 'static>(
    promised: &TaskTracker,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Result<T, JoinError>, JoinHandle<T>> {
    let mut working = promised.spawn(work);
    let worked = tokio::time::timeout(AT_ONCE, &mut working).await;
    worked.map_err(|_| working)
}

/// Where an answer that was promised goes, for so long since `asked_at`; from then on, and where it is not taken there, it goes to
/// the person.
pub struct Promise {
    /// When it was asked for.
    pub asked_at: Instant,
    /// For how long the place of the request takes answers.
    pub life: Duration,
}

impl Promise {
    /// Keeps it: tries `there`, or else `directly`, for as long as anybody waits for an answer.
    pub async fn keep<There, Directly>(
        self,
        there: impl Fn() -> There + Send,
        directly: impl Fn() -> Directly + Send,
    ) -> Result<(), ChatError>
    where
        There: Future<Output = Result<(), ChatError>> + Send,
        Directly: Future<Output = Result<(), ChatError>> + Send,
    {
        let mut wait = Duration::from_secs(1);
        let mut in_place = true;
        loop {
            in_place = in_place && self.asked_at.elapsed() < self.life;
            let sent = if in_place { there().await } else { directly().await };
            match sent {
                Err(error @ (ChatError::Unreachable(_) | ChatError::RateLimited(_))) if self.asked_at.elapsed() < TRIED_FOR => {
                    tracing::warn!(%error, "an answer that was promised could not be given yet");
                    let asked_for = if let ChatError::RateLimited(limit) = error { limit.wait.unwrap_or(wait) } else { wait };
                    tokio::time::sleep(asked_for.max(wait)).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(ChatError::MessageGone(_)) if in_place && self.asked_at.elapsed() < SHOWN_AFTER => {
                    tokio::time::sleep(wait).await;
                }
                Err(ChatError::MessageGone(why) | ChatError::NoAccess(why) | ChatError::Refused(why)) if in_place => {
                    tracing::info!(why, "the place of a request takes no answer any more; sending a direct message");
                    in_place = false;
                }
                done => return done,
            }
        }
    }
}
