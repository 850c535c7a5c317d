//! What a server does, and calls, while thousands of grants wait for security groups that are full.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::database::Kind;
use crate::process::cpu_time;
use crate::report::{Cell, Report};
use crate::world::{Setup, World, address};

/// Full groups, which every session wants.
const GROUPS: usize = 20;
/// Rules that each of them holds, as EC2's do by default.
const QUOTA: usize = 60;
/// The most of a core that waiting may cost.
const MOST_CPU: f64 = 0.01;
/// The most calls a minute for each full group.
const MOST_CALLS: f64 = 2.0;
/// Long enough for each group to be probed.
const WINDOW: Duration = Duration::from_secs(150);
/// How long it may take until every session shows why it waits.
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures with so many waiting grants, on 20 groups.
pub async fn measure(kinds: &[Kind], sizes: &[usize], latency: Duration) -> anyhow::Result<Report> {
    let target = format!(
        "worst / target ≤ 1: {:.0}% of a core, {MOST_CALLS:.0} calls a minute for each full group; {GROUPS} groups, {latency:?} away, {} s",
        MOST_CPU * 100.0,
        WINDOW.as_secs()
    );
    let columns = ["database", "waiting", "until told s", "calls until then", "CPU %", "calls a minute, each", "worst / target"];
    let mut report = Report::new("quota", target, &columns);
    for kind in kinds {
        for &waiting in sizes {
            let database = kind.make().await?;
            let setup = Setup { groups: GROUPS, members: waiting.div_ceil(GROUPS) + QUOTA, latency, crowds: Vec::new() };
            let mut world = World::open(&database.url, &setup).await?;
            for group in &world.groups {
                group.limit_to(QUOTA);
            }
            for number in 0..setup.members {
                world.start(&world.caller(number)?, address(u32::try_from(number)?)?).await?;
            }
            let began = Instant::now();
            world.run().await?;
            wait_until_told(&world, setup.members.saturating_sub(QUOTA) * GROUPS).await?;
            let told = began.elapsed();
            let (cpu_before, calls_before, began) = (cpu_time()?, world.cloud.calls(), Instant::now());
            tokio::time::sleep(WINDOW).await;
            let took = began.elapsed().as_secs_f64();
            let cpu = (cpu_time()? - cpu_before).as_secs_f64() / took;
            let calls = f64::from(u32::try_from(world.cloud.calls().all() - calls_before.all())?);
            let calls = calls * 60.0 / took / f64::from(u32::try_from(GROUPS)?);
            world.stop().await;
            database.drop_it().await?;
            let worst = (cpu / MOST_CPU).max(calls / MOST_CALLS);
            let cells = vec![
                Cell::text_of(kind.name()),
                Cell::Count(waiting),
                Cell::Figure(told.as_secs_f64(), 1),
                Cell::Count(calls_before.all()),
                Cell::Figure(cpu * 100.0, 2),
                Cell::Figure(calls, 2),
                Cell::Figure(worst, 2),
            ];
            report.row(cells, Some(worst <= 1.0));
        }
    }
    Ok(report)
}

/// Waits until every group is known to be full, and every waiting session shows it.
async fn wait_until_told(world: &World, waiting: usize) -> anyhow::Result<()> {
    let settled = async {
        loop {
            let blocked = world.engine.blocked_grants().await?;
            let all: u64 = blocked.iter().map(|blocked| blocked.waiting).sum();
            let is_quiet = blocked.iter().all(|blocked| !blocked.block.untold && blocked.block.attempts > 0);
            if is_quiet && all == u64::try_from(waiting)? {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.context("the groups were not found to be full in time")?
}
