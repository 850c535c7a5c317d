//! From the start command to ACTIVE, against the least that the provider's distance and its limits allow.

use std::time::{Duration, Instant};

use entryguard_core::domain::SessionStatus;

use crate::bucket::Bucket;
use crate::database::Kind;
use crate::report::{Cell, Report};
use crate::world::{Setup, World, address};

const TARGET: f64 = 1.1;
/// How long one session may take at the most: six times the least for 1,000 groups.
const PATIENCE: Duration = Duration::from_secs(1200);

struct Measured {
    commit: f64,
    active: f64,
    calls: usize,
    refused: usize,
}

/// Measures a session on so many groups, for each number.
pub async fn measure(kinds: &[Kind], sizes: &[usize], latency: Duration) -> anyhow::Result<Report> {
    let target = format!("active / bound ≤ {TARGET}; bound = commit + 2 × {latency:?} + max(0, (groups − 50) / 5 s)");
    let columns = ["database", "groups", "commit ms", "active s", "bound s", "active / bound", "calls", "refused"];
    let mut report = Report::new("active", target, &columns);
    for kind in kinds {
        for &groups in sizes {
            let Measured { commit, active, calls, refused } = one(kind, groups, latency).await?;
            let bound = commit + 2.0 * latency.as_secs_f64() + Bucket::least_time(groups, 50, 5);
            let ratio = active / bound;
            let cells = vec![
                Cell::text_of(kind.name()),
                Cell::Count(groups),
                Cell::Figure(commit * 1000.0, 1),
                Cell::Figure(active, 3),
                Cell::Figure(bound, 3),
                Cell::Figure(ratio, 3),
                Cell::Count(calls),
                Cell::Count(refused),
            ];
            report.row(cells, Some(ratio <= TARGET));
        }
    }
    Ok(report)
}

async fn one(kind: &Kind, groups: usize, latency: Duration) -> anyhow::Result<Measured> {
    let database = kind.make().await?;
    let mut world = World::open(&database.url, &Setup { groups, members: 1, latency, crowds: Vec::new() }).await?;
    world.run().await?;
    let caller = world.caller(0)?;
    // The loops have looked once, and sleep.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    let id = world.start(&caller, address(1)?).await?;
    let commit = began.elapsed().as_secs_f64();
    loop {
        // As the chat's thread does: it looks when it is told that something has changed.
        let _ = tokio::time::timeout(Duration::from_secs(1), world.nudges.chat.notified()).await;
        let status = world.engine.view(&id).await?.map(|view| view.status());
        if status == Some(SessionStatus::Active) {
            break;
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "the session is still {status:?}");
    }
    let active = began.elapsed().as_secs_f64();
    let calls = world.cloud.calls();
    world.stop().await;
    database.drop_it().await?;
    Ok(Measured { commit, active, calls: calls.all(), refused: calls.refused })
}
