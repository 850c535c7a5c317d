//! A signed slash command, the whole way to the commit and the answer, against Bolt, which verifies, parses and answers.
//!
//! Each has a core to itself, and whoever sends the commands has another.

mod serving;

use std::time::Duration;

use entryguard_tests::{SlackDouble, ToServer};
use futures_util::future::join_all;

use crate::database::Kind;
use crate::process::pin_self;
use crate::report::{Cell, Report, percentile};
use serving::Serving;

const TARGET: f64 = 0.2;
const TARGET_P99: Duration = Duration::from_millis(50);
const CONNECTIONS: usize = 16;
const BURST: usize = 10 * CONNECTIONS;
const MEMBERS: usize = 100;
const COMMAND: &str = "start 2h because deploy";
/// Each serves in turn, so that what else the machine does meets both.
const TURNS: usize = 5;
/// Slack shows an error to whoever waited longer.
const SLACK_WAITS: Duration = Duration::from_secs(3);

/// What one server did with all of its commands.
#[derive(Default)]
struct Served {
    commands: usize,
    cpu: Duration,
    took: Vec<f64>,
    burst: Vec<f64>,
    lost: usize,
}

/// Measures with so many commands in a turn.
pub async fn measure(kinds: &[Kind], sizes: &[usize]) -> anyhow::Result<Report> {
    let commands = sizes.first().copied().unwrap_or(10_000);
    let target = format!(
        "CPU / Bolt's ≤ {TARGET}, p99 ≤ {} ms at {CONNECTIONS} connections, none lost in {TURNS} bursts of {BURST} at once",
        TARGET_P99.as_millis()
    );
    let columns = ["server", "commands", "CPU µs each", "p50 ms", "p99 ms", "burst p99 ms", "lost", "CPU / Bolt's"];
    let mut report = Report::new("slack", target, &columns);
    pin_self(1)?;
    let slack = SlackDouble::open().await;
    let mut servers = vec![(Serving::bolt().await?, Served::default())];
    for kind in kinds {
        servers.push((Serving::entryguard(kind, &slack.api_url(), MEMBERS).await?, Served::default()));
    }
    for turn in 0..=TURNS {
        for (serving, served) in &mut servers {
            slack.install(&serving.address);
            let now = one_turn(&slack, serving, commands / TURNS).await?;
            // The first is for caches, connections and compilers to get warm.
            if turn > 0 {
                served.add(now);
            }
        }
    }
    let bolt = servers[0].1.cpu_each();
    for (at, (serving, served)) in servers.into_iter().enumerate() {
        // Bolt is there for comparison.
        served.tell(&mut report, serving.name, bolt, at == 0);
        serving.stop().await?;
    }
    Ok(report)
}

async fn one_turn(slack: &SlackDouble, serving: &Serving, commands: usize) -> anyhow::Result<Served> {
    let to_server = slack.to_server();
    let before = serving.cpu_time()?;
    let connections = (0..CONNECTIONS).map(|connection| send(&to_server, connection, commands / CONNECTIONS));
    let took: Vec<_> = join_all(connections).await.into_iter().flatten().collect();
    let cpu = serving.cpu_time()?.saturating_sub(before);
    let burst: Vec<_> = join_all((0..BURST).map(|at| send(&to_server, at, 1))).await.into_iter().flatten().collect();
    let lost = took.iter().chain(&burst).filter(|answer| answer.is_none()).count();
    let commands = took.len();
    Ok(Served { commands, cpu, took: took.into_iter().flatten().collect(), burst: burst.into_iter().flatten().collect(), lost })
}

/// Sends so many commands one after the other; how long each took, in milliseconds, or nothing where it is lost.
async fn send(to_server: &ToServer<'_>, first: usize, commands: usize) -> Vec<Option<f64>> {
    let mut took = Vec::with_capacity(commands);
    for at in 0..commands {
        let user = serving::user((first + at * CONNECTIONS) % MEMBERS);
        let answer = to_server.try_command(&user, COMMAND).await.ok();
        let in_time = answer.filter(|answer| answer.status == 200 && answer.says("2h") && answer.took < SLACK_WAITS);
        took.push(in_time.map(|answer| answer.took.as_secs_f64() * 1000.0));
    }
    took
}

impl Served {
    fn add(&mut self, more: Self) {
        self.commands += more.commands;
        self.cpu += more.cpu;
        self.took.extend(more.took);
        self.burst.extend(more.burst);
        self.lost += more.lost;
    }

    fn cpu_each(&self) -> Duration {
        self.cpu / u32::try_from(self.commands).unwrap_or(u32::MAX).max(1)
    }

    fn tell(mut self, report: &mut Report, name: &str, bolt: Duration, is_bolt: bool) {
        self.took.sort_by(f64::total_cmp);
        self.burst.sort_by(f64::total_cmp);
        let ratio = self.cpu_each().as_secs_f64() / bolt.as_secs_f64();
        let p99 = percentile(&self.took, 99);
        let mut cells =
            vec![Cell::text_of(name), Cell::Count(self.commands), Cell::Figure(self.cpu_each().as_secs_f64() * 1e6, 0)];
        cells.extend([percentile(&self.took, 50), p99, percentile(&self.burst, 99)].map(|ms| Cell::Figure(ms, 1)));
        cells.extend([Cell::Count(self.lost), Cell::Figure(ratio, 3)]);
        let met = ratio <= TARGET && p99 <= TARGET_P99.as_secs_f64() * 1000.0 && self.lost == 0;
        report.row(cells, (!is_bolt).then_some(met));
    }
}
