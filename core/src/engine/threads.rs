//! What the surfaces need to keep their threads up to date.

use super::{Engine, EngineError};
use crate::domain::{SessionId, Span, Surface};
use crate::store::{ChatThread, SessionView};

/// Threads looked at for one to take.
const AT_ONCE: u32 = 5;

impl Engine {
    /// Takes the thread of a surface that has been out of date the longest, for `hold`: if it is not saved by then, it is due again.
    pub async fn take_due_thread(&self, surface: Surface, hold: Span) -> Result<Option<ChatThread>, EngineError> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        // A few, because another replica may take the first of them in the same moment.
        for thread in tx.due_threads(surface, now, AT_ONCE).await? {
            if tx.take_thread(&thread, now.plus(hold)).await? {
                tx.commit().await?;
                return Ok(Some(thread));
            }
        }
        Ok(None)
    }

    /// Records what a thread shows by now.
    pub async fn save_thread(&self, thread: &ChatThread) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        tx.save_thread(thread, tx.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A session as it stands.
    pub async fn view(&self, session: &SessionId) -> Result<Option<SessionView>, EngineError> {
        Ok(self.store.begin().await?.session(session).await?)
    }
}
