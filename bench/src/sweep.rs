//! What a sweep costs where next to nothing has changed, as the number of rules grows.

use std::time::{Duration, Instant};

use entryguard_core::domain::{DeploymentId, OpeningId, ProviderRuleId, RulePart};
use entryguard_core::provider::{Mark, SeenRule};
use entryguard_core::reconcile::Differences;

use crate::cloud::{Calls, PART};
use crate::crowd::Crowd;
use crate::database::Kind;
use crate::process::cpu_time;
use crate::report::{Cell, Report};
use crate::world::{Setup, World, address, now};

const GROUPS: usize = 10;

struct Measured {
    sweep: Calls,
    mends: Calls,
    seconds: f64,
    cpu: f64,
}

/// Measures with so many rules on ten groups, one of them changed on each: lost on every other group, an orphan on the rest.
pub async fn measure(kinds: &[Kind], sizes: &[usize], latency: Duration) -> anyhow::Result<Report> {
    let target = format!(
        "calls / calls at the first size ≤ 1 (a list is one call, however many pages of 1,000); {GROUPS} changes, {latency:?} away"
    );
    let columns =
        ["database", "rules", "sweep calls", "pages", "mending calls", "calls / first", "sweep s", "sweep CPU ms", "refused"];
    let mut report = Report::new("sweep", target, &columns);
    for kind in kinds {
        let mut first = None;
        for &rules in sizes {
            let Measured { sweep, mends, seconds, cpu } = one(kind, rules, latency).await?;
            let all = f64::from(u32::try_from(sweep.all() + mends.all())?);
            let ratio = all / *first.get_or_insert(all);
            let cells = vec![
                Cell::text_of(kind.name()),
                Cell::Count(rules),
                Cell::Count(sweep.all()),
                Cell::Count(sweep.pages),
                Cell::Count(mends.all()),
                Cell::Figure(ratio, 3),
                Cell::Figure(seconds, 3),
                Cell::Figure(cpu * 1000.0, 1),
                Cell::Count(sweep.refused + mends.refused),
            ];
            report.row(cells, Some(ratio <= 1.0));
        }
    }
    Ok(report)
}

async fn one(kind: &Kind, rules: usize, latency: Duration) -> anyhow::Result<Measured> {
    let database = kind.make().await?;
    let crowds = vec![Crowd::far_from_the_end(rules, GROUPS, now())];
    let world = World::with_crowds(&database.url, &Setup { groups: GROUPS, members: 1, latency, crowds }).await?;
    for (number, group) in world.groups.iter().enumerate() {
        if number % 2 == 0 { group.lose_one() } else { group.add_orphan(orphan(number)?) }
    }
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let report = world.reconciler.sweep(false).await?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_time()? - cpu);
    let sweep = world.cloud.calls();
    let count = |count: fn(&Differences) -> usize| report.resources.iter().map(|swept| count(&swept.found)).sum::<usize>();
    let found = (count(|found| found.missing.len()), count(|found| found.orphans.len()));
    anyhow::ensure!(report.is_complete() && found == (GROUPS / 2, GROUPS / 2), "the sweep found {found:?}");
    world.reconciler.reconcile_until_certain().await?;
    let all = world.cloud.calls();
    world.stop().await;
    database.drop_it().await?;
    let mends = Calls {
        observe: all.observe - sweep.observe,
        pages: all.pages - sweep.pages,
        add: all.add - sweep.add,
        remove: all.remove - sweep.remove,
        mark: all.mark - sweep.mark,
        refused: all.refused - sweep.refused,
    };
    Ok(Measured { sweep, mends, seconds, cpu: cpu.as_secs_f64() })
}

fn orphan(number: usize) -> anyhow::Result<SeenRule> {
    let source = address(u32::try_from(number)?)?.ip().into();
    let (owner, openings) = (DeploymentId::from_stored("ours"), vec![OpeningId::from_stored("forgotten")]);
    let mark = Some(Mark { owner, openings, expires_at: None });
    Ok(SeenRule {
        id: ProviderRuleId::from_stored(format!("sgr-orphan-{number}")),
        source,
        part: RulePart(PART.to_owned()),
        mark,
    })
}
