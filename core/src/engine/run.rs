//! Runs of workflows: what a run opened is closed when GitHub says that the run is over, also where its runner died before it could.

use serde_json::json;

use super::{Engine, EngineError, end_session};
use crate::domain::{Actor, AuditAction, AuditEvent, EndReason, Ending, SessionId, WorkflowRun};

impl Engine {
    /// Ends what a run has started and has not ended itself; how many sessions those were.
    pub async fn run_completed(&self, run: &WorkflowRun) -> Result<usize, EngineError> {
        let sessions = self.store.begin().await?.live_sessions_of_run(run).await?;
        let mut ended = 0;
        for id in &sessions {
            ended += usize::from(self.end_with_run(id, run).await?);
        }
        self.nudge_all();
        Ok(ended)
    }

    async fn end_with_run(&self, id: &SessionId, run: &WorkflowRun) -> Result<bool, EngineError> {
        let mut tx = self.store.begin().await?;
        let resources = tx.rules_of(id).await?.into_iter().map(|rule| rule.resource).collect();
        tx.lock_resources(&resources).await?;
        if tx.lock_session(id).await?.is_none_or(|session| session.ending.is_some()) {
            return Ok(false);
        }
        let (at, actor) = (tx.now(), Actor::System);
        let ending = Ending { reason: EndReason::Manual, at, by: Some("entryguard (its workflow run is over)".to_owned()) };
        let details = json!({ "why": "the workflow run is over", "run": run.to_string() });
        let event = AuditEvent { at, actor, action: AuditAction::SessionStopped, session: Some(id.clone()), details };
        end_session(&mut tx, id, &ending, &event, self.random.as_ref()).await?;
        tx.commit().await?;
        Ok(true)
    }
}
