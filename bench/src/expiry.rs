//! How long after a session's end its rule is gone from the cloud: the number that the whole product stands for.

use std::time::{Duration, Instant};

use entryguard_core::domain::{Span, Timestamp};

use crate::bucket::Bucket;
use crate::crowd::Crowd;
use crate::database::Kind;
use crate::report::{Cell, Report, percentile};
use crate::world::{Setup, World, now};

const ENDING: usize = 200;
/// Milliseconds between two ends: a little more often than EC2 gives calls back, so that the burst is used and not used up.
const APART: usize = 160;
const AT_ONCE: usize = 300;
const TARGET: f64 = 1.1;
/// Until the first session ends.
const HEAD_START: Span = Span::from_seconds(4);
const PATIENCE: Duration = Duration::from_secs(600);
/// Numbers of the ending ones; the others' are lower.
const FIRST_ENDING: usize = 1_000_000;

struct Lags {
    sorted: Vec<f64>,
    refused: usize,
}

/// Measures with so many sessions that do not end, and then with more that end at once than the provider takes calls.
pub async fn measure(kinds: &[Kind], sizes: &[usize], latency: Duration) -> anyhow::Result<Report> {
    let distance = latency.as_secs_f64();
    let target = format!(
        "spread: p99 / bound ≤ 1, bound = 1 s + {latency:?}; \
         at once: last / bound ≤ {TARGET}, bound = (ending − 50) / 5 s + {latency:?}; lags in ms"
    );
    let columns = ["database", "ends", "live", "ending", "p50", "p99", "last", "bound", "lag / bound", "refused"];
    let mut report = Report::new("expiry", target, &columns);
    for kind in kinds {
        for (ends, live, ending, apart) in
            sizes.iter().map(|live| ("spread", *live, ENDING, APART)).chain([("at once", 100, AT_ONCE, 0)])
        {
            let Lags { sorted, refused } = one(kind, latency, live, ending, apart).await?;
            let [p50, p99, last] = [50, 99, 100].map(|percent| percentile(&sorted, percent));
            let (bound, ratio, limit) = if apart == 0 {
                let bound = Bucket::least_time(ending, 50, 5) + distance;
                (bound, last / bound, TARGET)
            } else {
                (1.0 + distance, p99 / (1.0 + distance), 1.0)
            };
            let ms = |seconds: f64| Cell::Figure(seconds * 1000.0, 0);
            let mut cells = vec![Cell::text_of(kind.name()), Cell::text_of(ends), Cell::Count(live), Cell::Count(ending)];
            cells.extend([p50, p99, last, bound].map(ms));
            cells.extend([Cell::Figure(ratio, 3), Cell::Count(refused)]);
            report.row(cells, Some(ratio <= limit));
        }
    }
    Ok(report)
}

async fn one(kind: &Kind, latency: Duration, live: usize, ending: usize, apart: usize) -> anyhow::Result<Lags> {
    let database = kind.make().await?;
    let far = Crowd::far_from_the_end(live, ending, now());
    let mut setup = Setup { groups: ending, members: 1, latency, crowds: vec![far] };
    let world = World::with_crowds(&database.url, &setup).await?;
    world.stop().await;
    let ends = Crowd { first: FIRST_ENDING, count: ending, apart, first_end: now().plus(HEAD_START), ..setup.crowds[0].clone() };
    ends.insert(&database.url).await?;
    setup.crowds.push(ends.clone());
    let mut world = World::open(&database.url, &setup).await?;
    world.run().await?;
    anyhow::ensure!(now() < ends.first_end, "it took too long to set the sessions up");
    let began = Instant::now();
    while world.cloud.removed().len() < ending {
        anyhow::ensure!(began.elapsed() < PATIENCE, "{} of {ending} rules are gone", world.cloud.removed().len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let removed = world.cloud.removed();
    let lag = |at: Timestamp, end: Timestamp| Duration::from_millis(at.as_millis().abs_diff(end.as_millis())).as_secs_f64();
    let mut sorted = Vec::with_capacity(ending);
    for (rule, end) in ends.ends() {
        let at = removed.get(&rule).copied().filter(|at| *at >= end);
        sorted.push(at.map_or(f64::INFINITY, |at| lag(at, end)));
    }
    anyhow::ensure!(sorted.iter().all(|lag| lag.is_finite()), "another rule was removed, or one before its session's end");
    sorted.sort_by(f64::total_cmp);
    let refused = world.cloud.calls().refused;
    world.stop().await;
    database.drop_it().await?;
    Ok(Lags { sorted, refused })
}
