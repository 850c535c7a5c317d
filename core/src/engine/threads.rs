//! What the surfaces need to keep their threads up to date.

use super::{Engine, EngineError};
use crate::domain::{SessionId, Span, Surface};
use crate::store::{ChatThread, SessionView};

/// Threads taken at once: few enough that none waits long behind a slow chat.
const BATCH: u32 = 20;

impl Engine {
    /// Takes the threads of a surface that are out of date, each for `hold`: one that is not saved by then is due again.
    pub async fn take_due_threads(&self, surface: Surface, hold: Span) -> Result<Vec<ChatThread>, EngineError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut taken = Vec::new();
        for thread in tx.due_threads(surface, now, BATCH).await? {
            if tx.take_thread(&thread, now.plus(hold)).await? {
                taken.push(thread);
            }
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// Records what a thread shows by now.
    pub async fn save_thread(&self, thread: &ChatThread) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        tx.save_thread(thread, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A session as it stands.
    pub async fn view(&self, session: &SessionId) -> Result<Option<SessionView>, EngineError> {
        Ok(self.store.begin().await?.session(session).await?)
    }
}
