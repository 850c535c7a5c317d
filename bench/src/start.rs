//! From opening the database to the first call, which comes after the first claim: it must not grow with the live sessions.

use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::database::{Database, Kind};
use crate::report::{Cell, Report};
use crate::world::{Setup, World, address, now};

const TARGET: f64 = 2.0;
const GROUPS: usize = 100;
/// Starts of each, in turn: what else the machine does meets all.
const TURNS: u32 = 9;
const PATIENCE: Duration = Duration::from_secs(30);

/// One start, in milliseconds.
#[derive(Clone, Copy)]
struct Start {
    open: f64,
    resume: f64,
    claim: f64,
}

impl Start {
    fn all(&self) -> f64 {
        self.open + self.resume + self.claim
    }
}

/// Measures with so many live sessions, against the first number.
pub async fn measure(kinds: &[Kind], sizes: &[usize]) -> anyhow::Result<Report> {
    let target = format!("fastest / fastest at the first size ≤ {TARGET}; {TURNS} starts, {GROUPS} groups, one opening due");
    let columns = ["database", "live", "open ms", "resume ms", "claim ms", "fastest ms", "median ms", "fastest / first"];
    let mut report = Report::new("start", target, &columns);
    for kind in kinds {
        let mut worlds = Vec::new();
        for &live in sizes {
            worlds.push((live, prepare(kind, live).await?, Vec::new()));
        }
        for turn in 0..TURNS {
            for (live, database, starts) in &mut worlds {
                starts.push(start(database, *live, turn).await?);
            }
        }
        let mut first = None;
        for (live, database, mut starts) in worlds {
            starts.sort_by(|a, b| a.all().total_cmp(&b.all()));
            let (fastest, median) = (starts[0], starts[starts.len() / 2]);
            // What else the machine does only adds to it, so the fastest tells the most.
            let ratio = fastest.all() / *first.get_or_insert(fastest.all());
            let mut cells = vec![Cell::text_of(kind.name()), Cell::Count(live)];
            cells
                .extend([fastest.open, fastest.resume, fastest.claim, fastest.all(), median.all()].map(|ms| Cell::Figure(ms, 1)));
            cells.push(Cell::Figure(ratio, 3));
            report.row(cells, Some(ratio <= TARGET));
            database.drop_it().await?;
        }
    }
    Ok(report)
}

fn setup(live: usize) -> Setup {
    let crowds = vec![Crowd::far_from_the_end(live, GROUPS, now())];
    Setup { groups: GROUPS, members: 1, latency: Duration::ZERO, crowds }
}

async fn prepare(kind: &Kind, live: usize) -> anyhow::Result<Database> {
    let database = kind.make().await?;
    World::with_crowds(&database.url, &setup(live)).await?.stop().await;
    Ok(database)
}

async fn start(database: &Database, live: usize, turn: u32) -> anyhow::Result<Start> {
    let before = World::open(&database.url, &setup(live)).await?;
    before.start(&before.caller(0)?, address(turn)?).await?;
    before.stop().await;
    let mut world = World::open(&database.url, &setup(live)).await?;
    let resumed = world.run().await?;
    let called = tokio::time::timeout(PATIENCE, async {
        loop {
            match world.cloud.first_call() {
                Some(at) => return at,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    });
    let ([began, opened], called) = (world.opening, called.await?);
    world.stop().await;
    let millis = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1000.0;
    Ok(Start { open: millis(began, opened), resume: millis(opened, resumed), claim: millis(resumed, called) })
}
