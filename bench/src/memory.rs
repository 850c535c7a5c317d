//! What a process keeps in memory that looks after many live sessions, and has swept them once.

use std::time::Duration;

use anyhow::Context;
use entryguard_core::domain::Timestamp;
use entryguard_core::reconcile::Differences;

use crate::crowd::Crowd;
use crate::database::Kind;
use crate::process::resident_memory;
use crate::report::{Cell, Report};
use crate::world::{Setup, World, now};

const TARGET_MB: f64 = 40.0;
const GROUPS: usize = 1000;
/// The loops run for so long before and after the sweep.
const A_WHILE: Duration = Duration::from_secs(3);

/// Measures this very process, the bench's own parts included. It should have done nothing before.
pub async fn measure(kinds: &[Kind], sizes: &[usize], latency: Duration) -> anyhow::Result<Report> {
    let target = format!("most / {TARGET_MB:.0} MB ≤ 1; {GROUPS} groups; resident memory in MB, the bench's own included");
    let columns = ["database", "live", "before", "opened", "swept", "most", "most / limit"];
    let mut report = Report::new("memory", target, &columns);
    for kind in kinds {
        for &live in sizes {
            let (before, _) = resident_memory()?;
            let database = kind.make().await?;
            let started = now();
            write_elsewhere(&database.url, live, started.as_millis()).await?;
            let crowds = vec![Crowd::far_from_the_end(live, GROUPS, started)];
            let mut world = World::open(&database.url, &Setup { groups: GROUPS, members: 1, latency, crowds }).await?;
            world.run().await?;
            tokio::time::sleep(A_WHILE).await;
            let (opened, _) = resident_memory()?;
            let swept = world.reconciler.sweep(false).await?;
            anyhow::ensure!(swept.is_complete(), "the sweep did not see every group");
            anyhow::ensure!(
                swept.resources.iter().all(|swept| swept.found == Differences::default()),
                "the sweep found differences"
            );
            drop(swept);
            tokio::time::sleep(A_WHILE).await;
            let (after, most) = resident_memory()?;
            world.stop().await;
            database.drop_it().await?;
            let mut cells = vec![Cell::text_of(kind.name()), Cell::Count(live)];
            cells.extend([before, opened, after, most].map(|megabytes| Cell::Figure(megabytes, 1)));
            cells.push(Cell::Figure(most / TARGET_MB, 3));
            report.row(cells, Some(most <= TARGET_MB));
        }
    }
    Ok(report)
}

/// Has another process write the sessions, so that what that takes is not taken for the engine's.
async fn write_elsewhere(url: &str, live: usize, started: i64) -> anyhow::Result<()> {
    let mut child = tokio::process::Command::new(std::env::current_exe()?);
    child.args(["write-crowd", url, &live.to_string(), &started.to_string()]).kill_on_drop(true);
    let status = child.status().await.context("the bench could not start itself")?;
    anyhow::ensure!(status.success(), "the sessions could not be written");
    Ok(())
}

/// What that other process does.
pub async fn write_crowd(url: &str, live: usize, started: i64) -> anyhow::Result<()> {
    let started = Timestamp::from_millis(started);
    let crowds = vec![Crowd::far_from_the_end(live, GROUPS, started)];
    let setup = Setup { groups: GROUPS, members: 1, latency: Duration::ZERO, crowds };
    World::with_crowds(url, &setup).await?.stop().await;
    Ok(())
}
