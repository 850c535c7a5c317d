//! What a step leaves for people and for the steps after it: outputs, summary, the pull request, and whether it succeeded.

use anyhow::{Context, bail};

use crate::inputs::Inputs;
use crate::runner::Runner;
use crate::session::{Session, Status};

/// Says everywhere how the session is, and fails the step where that is what the workflow wants.
pub async fn report(inputs: &Inputs, runner: &Runner, session: &Session) -> anyhow::Result<()> {
    publish(runner, session)?;
    if let Some(pull_request) = inputs.telling.pull_request() {
        pull_request.tell(session, runner).await;
        pull_request.check(session, runner).await;
    }
    judge(inputs, runner, session)
}

/// Sets the outputs, and writes the summary.
pub fn publish(runner: &Runner, session: &Session) -> anyhow::Result<()> {
    let outputs = [
        ("session-id", session.id.as_str()),
        ("status", session.status.as_str()),
        ("ipv4", session.ipv4_address.as_deref().unwrap_or_default()),
        ("ipv6", session.ipv6_address.as_deref().unwrap_or_default()),
        ("expires-at", &session.expires_at),
    ];
    for (name, value) in outputs {
        runner.output(name, value).context("the step's outputs cannot be written")?;
    }
    runner.summary(&session.summary()).context("the job's summary cannot be written")
}

fn judge(inputs: &Inputs, runner: &Runner, session: &Session) -> anyhow::Result<()> {
    let failures = session.failures().join("; ");
    match session.status {
        Status::Active => {
            runner.notice(&format!("Open for {} until {}, or until the job ends.", session.addresses(), session.expires_at));
            Ok(())
        }
        Status::Requested | Status::Pending if !inputs.wait => Ok(()),
        Status::Partial if !inputs.fail_on_partial => {
            runner.warning(&format!("Only a part is open. {failures}"));
            Ok(())
        }
        Status::Partial => {
            bail!("Only a part is open. {failures}. The post step closes the rest; `fail-on-partial: false` goes on.")
        }
        Status::Failed => bail!("Nothing could be opened. {failures}"),
        Status::Denied => bail!("Nobody approved the session, so nothing was opened."),
        Status::Requested | Status::Pending | Status::Expiring | Status::Expired | Status::Cancelled => {
            bail!("The session is {}, so nothing is open.", session.status.as_str())
        }
    }
}
