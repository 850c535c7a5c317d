//! Chats wait three seconds for an answer: whatever takes longer is promised, and follows where the request has said, or to the person.

use std::time::{Duration, Instant};

use entryguard_core::engine::Engine;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::task::TaskTracker;

use super::ChatError;

/// What is said where the work broke off.
pub const FAILED: &str =
    "EntryGuard could not do that: something went wrong on our side. Try again; if it goes on, ask an administrator.";

/// What is left of the three seconds belongs to the network.
const AT_ONCE: Duration = Duration::from_millis(2000);
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
    /// Nobody can say whether it was.
    Unchecked,
}

/// Does what a request asks for, once for each name of a request.
pub async fn once<T>(engine: &Engine, name: &str, work: impl Future<Output = T>) -> Result<T, NotTaken> {
    match engine.accept_once(name).await {
        Ok(true) => Ok(work.await),
        Ok(false) => Err(NotTaken::Repeated),
        Err(error) => {
            tracing::error!(error = ?error, "a request could not be checked for repetition");
            Err(NotTaken::Unchecked)
        }
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
