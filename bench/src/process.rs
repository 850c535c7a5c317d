//! What the kernel knows of a process, and where it lets one run.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

/// What the kernel counts in, for every program on Linux.
const TICK: Duration = Duration::from_millis(10);
/// Which fields of `stat`, after the name, have the time in the program and in the kernel for it.
const UTIME: usize = 11;
const STIME: usize = 12;

/// The time that all threads of this process have spent on a processor.
pub fn cpu_time() -> anyhow::Result<Duration> {
    cpu_time_of("self")
}

/// The time that a process has spent on a processor, with that of its threads that have ended.
pub fn cpu_time_of(process: &str) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name stands in brackets, and may have spaces of its own.
    let (_, fields) = text.rsplit_once(')').context("stat has no name")?;
    let ticks = |at: usize| anyhow::Ok(fields.split_whitespace().nth(at).context("stat is short")?.parse::<u64>()?);
    Ok(TICK * u32::try_from(ticks(UTIME)? + ticks(STIME)?)?)
}

/// A program that is to run on this core alone.
pub fn on_core(core: u32, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]).arg(program);
    command
}

/// Runs all threads of this process on this core alone.
pub fn pin_self(core: u32) -> anyhow::Result<()> {
    let process = std::process::id().to_string();
    let told = Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &process]).output();
    let told = told.context("taskset (of util-linux) is missing")?;
    anyhow::ensure!(told.status.success(), "core {core} cannot be had: {}", String::from_utf8_lossy(&told.stderr).trim());
    Ok(())
}

/// Memory in MB: what it has now, and what it has had at the most.
pub fn resident_memory() -> anyhow::Result<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        let kilobytes: u32 = line.trim().trim_end_matches("kB").trim().parse()?;
        anyhow::Ok(f64::from(kilobytes) / 1024.0)
    };
    Ok((of("VmRSS:")?, of("VmHWM:")?))
}
