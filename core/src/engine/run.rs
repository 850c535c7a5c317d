//! Runs of workflows: what a run opened is closed when GitHub says that the run is over, also where its runner died before it could.

use serde_json::json;

use super::{Engine, EngineError, end_because};
use crate::domain::{SessionId, WorkflowRun};
use crate::store::StoreError;

impl Engine {
    /// Ends what a run has started and has not ended itself; how many sessions those were.
    pub async fn run_completed(&self, run: &WorkflowRun) -> Result<usize, EngineError> {
        let sessions = self.store.begin().await?.live_sessions_of_run(run).await?;
        let ended = self.to_each(&sessions, |id| self.end_with_run(id, run)).await;
        self.nudge_all();
        ended
    }

    async fn end_with_run(&self, id: SessionId, run: &WorkflowRun) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let details = json!({ "why": "the workflow run is over", "run": run.to_string() });
        if !end_because(&mut tx, &id, "its workflow run is over", details, self.random.as_ref()).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }
}
