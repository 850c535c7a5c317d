//! What breaks in the soak, and for how long.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entryguard_tests::{Chance, Database, Server, SmallDisk, TcpProxy, World};
use futures_util::future::{join, join_all, join3};

/// One way to break something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// SIGKILL, and started again.
    Killed,
    /// SIGKILL while it starts.
    KilledAtItsStart,
    /// SQLite's files are taken away and put back, or Postgres cannot be reached.
    DatabaseGone,
    /// No room on SQLite's file system.
    DiskFull,
    /// The machine's clock is set back, and set right again.
    ClockBack,
    /// No packet reaches the cloud.
    CloudCutOff,
    /// The groups take no more rules.
    QuotaReached,
    /// The cloud refuses calls for their number, or breaks.
    Throttled,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::Killed,
        Self::KilledAtItsStart,
        Self::DatabaseGone,
        Self::DiskFull,
        Self::ClockBack,
        Self::CloudCutOff,
        Self::QuotaReached,
        Self::Throttled,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Killed => "kills",
            Self::KilledAtItsStart => "kills at the start",
            Self::DatabaseGone => "times without the database",
            Self::DiskFull => "full disks",
            Self::ClockBack => "clocks set back",
            Self::CloudCutOff => "times without the cloud",
            Self::QuotaReached => "full groups",
            Self::Throttled => "throttled calls",
        }
    }
}

/// How many faults there are to be, and how many there were of each kind.
#[derive(Debug)]
pub struct Counts {
    at_most: usize,
    of: [AtomicUsize; Fault::ALL.len()],
}

impl Counts {
    pub fn of(at_most: usize) -> Self {
        Self { at_most, of: std::array::from_fn(|_| AtomicUsize::new(0)) }
    }

    fn total(&self) -> usize {
        self.of.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn is_enough(&self) -> bool {
        self.total() >= self.at_most
    }

    fn add(&self, fault: Fault) {
        self.of[fault as usize].fetch_add(1, Ordering::Relaxed);
        let total = self.total();
        if total.is_multiple_of(100) {
            println!("{total} faults so far");
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = Fault::ALL.into_iter().zip(&self.of).map(|(fault, count)| (fault, count.load(Ordering::Relaxed)));
        let each: Vec<_> =
            each.filter(|(_, count)| *count > 0).map(|(fault, count)| format!("{count} {}", fault.name())).collect();
        write!(f, "{} faults ({})", self.total(), each.join(", "))
    }
}

/// A server that is broken, and how.
#[derive(Debug)]
pub struct Replica {
    server: Server,
    /// How far its clock is off, as `ENTRYGUARD_CLOCK_FILE` has it.
    clock: PathBuf,
    /// Its own way to Postgres.
    database: Option<TcpProxy>,
}

impl Replica {
    /// The servers that take the place of the world's own: one on SQLite, three on Postgres.
    pub async fn all_of(mut world: World, database: Database) -> (World, Vec<Self>) {
        world.server.kill_9();
        let mut replicas = Vec::new();
        for number in 0..if database == Database::Postgres { 3 } else { 1 } {
            let (mut server, proxy) = world.another_server_behind_proxy().await;
            let clock = world.folder().join(format!("clock-{number}"));
            std::fs::write(&clock, "0s").expect("a file of ours");
            server.always_with("ENTRYGUARD_CLOCK_FILE", clock.to_str().expect("a path of ours"));
            server.always_with(OFFLINE_AFTER.0, OFFLINE_AFTER.1);
            server.restart().await;
            replicas.push(Self { server, clock, database: proxy });
        }
        (world, replicas)
    }

    pub fn address(&self) -> String {
        self.server.address()
    }

    /// Kills it, or takes its database away, again and again.
    async fn breaks(&mut self, world: &World, counts: &Counts, mut chance: Chance) {
        while !counts.is_enough() {
            pause(&mut chance).await;
            match chance.below(10) {
                0..4 => self.is_killed(counts, &mut chance).await,
                4..7 => self.loses_its_database(world, counts, &mut chance).await,
                _ => match (&world.disk, &self.database) {
                    (Some(disk), None) => fills_up(disk, counts, &mut chance).await,
                    _ => self.loses_its_database(world, counts, &mut chance).await,
                },
            }
        }
    }

    async fn is_killed(&mut self, counts: &Counts, chance: &mut Chance) {
        if chance.one_in(6) {
            counts.add(Fault::KilledAtItsStart);
            self.server.start_over(&[]);
            tokio::time::sleep(chance.between(Duration::ZERO, Duration::from_millis(300))).await;
        }
        counts.add(Fault::Killed);
        self.server.restart().await;
    }

    async fn loses_its_database(&self, world: &World, counts: &Counts, chance: &mut Chance) {
        counts.add(Fault::DatabaseGone);
        let outage = long_outage(chance);
        if let Some(proxy) = &self.database {
            if chance.one_in(2) {
                proxy.refuse()
            } else {
                proxy.silence()
            }
            tokio::time::sleep(outage).await;
            proxy.mend();
        } else {
            let away = world.database().take_away();
            tokio::time::sleep(outage).await;
            away.put_back();
        }
    }
}

async fn fills_up(disk: &SmallDisk, counts: &Counts, chance: &mut Chance) {
    counts.add(Fault::DiskFull);
    disk.fill();
    tokio::time::sleep(long_outage(chance)).await;
    disk.make_room();
}

/// How long the database fails before rules are closed by their tags alone: a debug build reads it.
const OFFLINE_AFTER: (&str, &str) = ("ENTRYGUARD_OFFLINE_AFTER", "3s");

/// How long a database is gone: now and then long enough that rules are closed without it, 30 s after the ends on their tags.
fn long_outage(chance: &mut Chance) -> Duration {
    if chance.one_in(20) { chance.between(Duration::from_secs(40), Duration::from_secs(50)) } else { outage(chance) }
}

fn outage(chance: &mut Chance) -> Duration {
    let longest = if chance.one_in(4) { 8_000 } else { 2_000 };
    chance.between(Duration::from_millis(100), Duration::from_millis(longest))
}

async fn pause(chance: &mut Chance) {
    tokio::time::sleep(chance.between(Duration::from_millis(200), Duration::from_secs(4))).await;
}

/// Breaks the servers, their clocks and the cloud, all at the same time, until there were enough faults; then all is well again.
pub async fn break_everything(world: &World, replicas: &mut [Replica], counts: &Counts, chance: &mut Chance) {
    let clocks: Vec<_> = replicas.iter().map(|replica| (replica.clock.clone(), chance.split())).collect();
    let clocks = join_all(clocks.into_iter().map(|(clock, chance)| is_set_back(clock, counts, chance)));
    let servers = replicas.iter_mut().map(|replica| {
        let chance = chance.split();
        replica.breaks(world, counts, chance)
    });
    let servers = join_all(servers.collect::<Vec<_>>());
    let cloud = join(throttles(world, counts, chance.split()), is_cut_off(world, counts, chance.split()));
    join3(servers, clocks, cloud).await;
}

/// Sets a clock back and right again.
async fn is_set_back(clock: PathBuf, counts: &Counts, mut chance: Chance) {
    while !counts.is_enough() {
        pause(&mut chance).await;
        counts.add(Fault::ClockBack);
        let by = chance.pick(&["-20s", "-4m", "-1h"]);
        std::fs::write(&clock, by).expect("a file of ours");
        tokio::time::sleep(outage(&mut chance)).await;
        std::fs::write(&clock, "0s").expect("a file of ours");
        pause(&mut chance).await;
    }
}

/// What goes wrong in the cloud now and then.
const FAULTS: [(&str, &str, Fault); 7] = [
    ("RevokeSecurityGroupIngress", "RequestLimitExceeded", Fault::Throttled),
    ("AuthorizeSecurityGroupIngress", "RequestLimitExceeded", Fault::Throttled),
    ("DescribeSecurityGroupRules", "RequestLimitExceeded", Fault::Throttled),
    ("CreateTags", "RequestLimitExceeded", Fault::Throttled),
    ("RevokeSecurityGroupIngress", "InternalError", Fault::Throttled),
    ("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded", Fault::QuotaReached),
    ("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded", Fault::QuotaReached),
];

async fn throttles(world: &World, counts: &Counts, mut chance: Chance) {
    while !counts.is_enough() {
        pause(&mut chance).await;
        let (action, code, fault) = *chance.pick(&FAULTS);
        counts.add(fault);
        world.proxy.slow_down(chance.between(Duration::from_millis(20), Duration::from_millis(300)));
        world.proxy.refuse(action, code, if chance.one_in(2) { 2 } else { 5 });
    }
}

async fn is_cut_off(world: &World, counts: &Counts, mut chance: Chance) {
    let proxy = world.cloud_proxy.as_ref().expect("the world has a proxy before its cloud");
    while !counts.is_enough() {
        pause(&mut chance).await;
        counts.add(Fault::CloudCutOff);
        if chance.one_in(2) {
            proxy.refuse()
        } else {
            proxy.silence()
        }
        tokio::time::sleep(outage(&mut chance)).await;
        proxy.mend();
        pause(&mut chance).await;
    }
}
