//! How many sessions start in a second, against the bare commits that the same database makes in the same run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;

use crate::crowd::Crowd;
use crate::database::Kind;
use crate::report::{Cell, Report};
use crate::world::{Setup, World, address, now};

/// A start is a dozen questions and writes in one transaction: so much of a bare commit's speed has to be left.
const TARGET: f64 = 0.1;
/// Callers who wait for each other's locks must not slow each other down besides.
const CROWDED_TARGET: f64 = 0.9;
/// How long each is measured at a time, in turn: what else the machine does meets both.
const TURN: Duration = Duration::from_secs(1);
const TURNS: u32 = 3;
const CALLERS: [usize; 2] = [1, 16];
/// As many connections as the store has.
const POSTGRES_CONNECTIONS: u32 = 10;

/// Measures with so many sessions there already.
pub async fn measure(kinds: &[Kind], sizes: &[usize]) -> anyhow::Result<Report> {
    let target = format!(
        "one caller: starts / commits ≥ {TARGET}; more: starts / one caller's ≥ {CROWDED_TARGET}; all start on one group, a commit inserts one row"
    );
    let columns = ["database", "live before", "callers", "commits/s", "starts/s", "starts / commits", "starts / one caller's"];
    let mut report = Report::new("store", target, &columns);
    for kind in kinds {
        for &live in sizes {
            let mut alone = None;
            for callers in CALLERS {
                let (commits, starts) = one(kind, live, callers).await?;
                let crowded = starts / *alone.get_or_insert(starts);
                let cells = vec![
                    Cell::text_of(kind.name()),
                    Cell::Count(live),
                    Cell::Count(callers),
                    Cell::Figure(commits, 0),
                    Cell::Figure(starts, 0),
                    Cell::Figure(starts / commits, 3),
                    Cell::Figure(crowded, 3),
                ];
                report.row(cells, Some(if callers == 1 { starts / commits >= TARGET } else { crowded >= CROWDED_TARGET }));
            }
        }
    }
    Ok(report)
}

async fn one(kind: &Kind, live: usize, callers: usize) -> anyhow::Result<(f64, f64)> {
    let database = kind.make().await?;
    let crowds = vec![Crowd::far_from_the_end(live, 1, now())];
    let setup = Setup { groups: 1, members: callers, latency: Duration::ZERO, crowds };
    // The loops do not run: this is about commands alone.
    let world = Arc::new(World::with_crowds(&database.url, &setup).await?);
    let bare = bare_pool(kind, &database.url).await?;
    let next = AtomicU32::new(0);
    let (mut commits, mut starts) = (0.0, 0.0);
    for _ in 0..TURNS {
        commits += a_second(callers, async |_| commit_one_row(&bare).await).await?;
        starts += a_second(callers, async |caller| {
            let address = address(next.fetch_add(1, Ordering::Relaxed))?;
            world.start(&world.caller(caller)?, address).await.map(drop)
        })
        .await?;
    }
    bare.close().await;
    Arc::into_inner(world).context("the world is still in use")?.stop().await;
    database.drop_it().await?;
    Ok((commits / f64::from(TURNS), starts / f64::from(TURNS)))
}

/// How often a second so many callers, each one after the other, get it done.
async fn a_second(callers: usize, act: impl AsyncFn(usize) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let began = Instant::now();
    let done = try_join_all((0..callers).map(|caller| {
        let act = &act;
        async move {
            let mut done = 0_u32;
            while began.elapsed() < TURN {
                act(caller).await?;
                done += 1;
            }
            anyhow::Ok(done)
        }
    }))
    .await?;
    Ok(f64::from(done.into_iter().sum::<u32>()) / began.elapsed().as_secs_f64())
}

/// Connections like the store's, and a table of one column.
async fn bare_pool(kind: &Kind, url: &str) -> anyhow::Result<AnyPool> {
    let connections = if matches!(kind, Kind::Sqlite) { 1 } else { POSTGRES_CONNECTIONS };
    let pool = AnyPoolOptions::new().max_connections(connections).connect(url).await?;
    if matches!(kind, Kind::Sqlite) {
        for pragma in ["PRAGMA synchronous = FULL", "PRAGMA busy_timeout = 5000"] {
            sqlx::query(pragma).execute(&pool).await?;
        }
    }
    sqlx::query("CREATE TABLE bare (number BIGINT NOT NULL)").execute(&pool).await?;
    Ok(pool)
}

async fn commit_one_row(pool: &AnyPool) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO bare (number) VALUES ($1)").bind(1_i64).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
