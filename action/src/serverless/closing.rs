//! The post step without a server: lets go of what the job holds, and removes what nobody else does.

use std::time::Duration;

use entryguard_core::clock::SystemClock;
use entryguard_core::provider::ProviderError;
use entryguard_core::serverless::{Left, Patience, SystemTimer, leave};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::Held;
use crate::inputs::Telling;
use crate::runner::Runner;
use crate::session::{Rule, Status};

/// How long to try.
const WAITED_FOR: Duration = Duration::from_secs(30);
/// A call that nobody waited for any more is done or lost by then.
const LATE_CALLS: Duration = Duration::from_secs(3);

/// Closes what the main step opened.
pub async fn close(held: &Held, telling: &Telling, runner: &Runner) {
    let left = match all(held).await {
        Ok(left) => left,
        Err(error) => return runner.warning(&not_closed(held, &error.to_string())),
    };
    let mut rules = Vec::new();
    for (name, left) in left {
        let (status, note) = match left {
            Ok(Left { kept_by_others: 0, .. }) => ("REMOVED", None),
            Ok(_) => ("APPLIED", Some("for other jobs at this address, the last of which closes it".to_owned())),
            Err(error) => {
                runner.warning(&not_closed(held, &format!("{name}: {error}")));
                ("REMOVING", Some(error.to_string()))
            }
        };
        rules.extend(held.addresses.iter().map(|address| Rule {
            resource_name: name.clone(),
            ip_address: address.clone(),
            status: status.to_owned(),
            error_message: note.clone(),
        }));
    }
    rules.iter().for_each(|rule| runner.tell(&rule.line()));
    let is_over = rules.iter().all(|rule| rule.status != "REMOVING");
    let session = held.shown(if is_over { Status::Cancelled } else { Status::Expiring }, rules);
    if is_over {
        runner.tell(&format!("Session {} is closed.", session.short()));
    }
    if let Some(pull_request) = telling.pull_request() {
        pull_request.closed(&session, runner).await;
    }
}

/// Lets go of every group; twice, where the main step was cut off and something that it asked for may still have been done.
async fn all(held: &Held) -> anyhow::Result<Vec<(String, Result<Left, ProviderError>)>> {
    let lists = held.lists().await?;
    let timer = SystemTimer::start();
    let patience = Patience::of(WAITED_FOR, &timer);
    let leaving = lists.iter().map(|(name, list)| async move {
        let mut left = leave(list.as_ref(), &held.session, &SystemClock, patience).await;
        if !held.settled {
            sleep(LATE_CALLS).await;
            left = left.and(leave(list.as_ref(), &held.session, &SystemClock, patience).await);
        }
        (name.to_string(), left)
    });
    Ok(join_all(leaving).await)
}

fn not_closed(held: &Held, why: &str) -> String {
    format!(
        "The security groups could not be closed now ({why}). Their rules say that they end at {}: the next job that opens the group \
         removes them after that, and so does `entryguard sweep --expired`.",
        held.until
    )
}
