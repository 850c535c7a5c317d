//! Benchmarks that are checks: each measures two things in one run, prints their ratio, and fails where it misses its target.
//!
//! The engine, its loops and its database are the real ones; the cloud is one of our own, as far away and as strict as EC2.

mod active;
mod bucket;
mod cloud;
mod crowd;
mod database;
mod expiry;
mod memory;
mod process;
mod quota;
mod report;
mod slack;
mod start;
mod store;
mod sweep;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::database::Kind;
use crate::report::Report;

#[derive(Parser)]
#[command(name = "bench", about = "Benchmarks that are checks: exits 1 where a target is missed")]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Sizes to measure, as 1,10,100: groups, rules, live sessions or commands
    #[arg(long, global = true, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// How far away the cloud is, in milliseconds
    #[arg(long, global = true, default_value_t = 300)]
    latency: u64,
    /// A Postgres in which databases may be created: everything is measured there too
    #[arg(long, global = true, env = "ENTRYGUARD_TEST_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Benchmark {
    /// From the start command to ACTIVE, against the least that distance and limits allow
    Active,
    /// How long a rule outlasts its session
    Expiry,
    /// A sweep's calls, as the rules grow in number
    Sweep,
    /// Sessions started in a second, against bare commits
    Store,
    /// Resident memory with many live sessions
    Memory,
    /// From opening the database to the first claim, as the live sessions grow in number
    Start,
    /// What a server costs while thousands of grants wait for full security groups
    Quota,
    /// A signed slash command's CPU time, against Bolt's
    Slack,
    #[command(hide = true)]
    WriteCrowd { url: String, live: usize, started: i64 },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Cli { benchmark, options } = Cli::parse();
    let (kinds, latency) = (Kind::all(options.postgres.as_deref()), Duration::from_millis(options.latency));
    let sizes = |usual: &[usize]| if options.sizes.is_empty() { usual.to_vec() } else { options.sizes.clone() };
    let report: Report = match benchmark {
        Benchmark::Active => active::measure(&kinds, &sizes(&[1, 10, 100, 1000]), latency).await?,
        Benchmark::Expiry => expiry::measure(&kinds, &sizes(&[100, 100_000]), latency).await?,
        Benchmark::Sweep => sweep::measure(&kinds, &sizes(&[100, 1000, 10_000]), latency).await?,
        Benchmark::Store => store::measure(&kinds, &sizes(&[0, 100_000])).await?,
        Benchmark::Memory => memory::measure(&kinds, &sizes(&[100_000]), latency).await?,
        Benchmark::Start => start::measure(&kinds, &sizes(&[1000, 100_000])).await?,
        Benchmark::Quota => quota::measure(&kinds, &sizes(&[10_000]), latency).await?,
        Benchmark::Slack => slack::measure(&kinds, &sizes(&[])).await?,
        Benchmark::WriteCrowd { url, live, started } => {
            memory::write_crowd(&url, live, started).await?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    if options.json {
        println!("{}", report.to_json())
    } else {
        print!("{}", report.to_table())
    }
    Ok(if report.is_met() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
