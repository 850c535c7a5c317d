//! What the kernel knows of this process.

use std::time::Duration;

use anyhow::Context;

/// The time that all of its threads have spent on a processor.
pub fn cpu_time() -> anyhow::Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task")? {
        // A thread may end between being listed and being read.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let on_cpu = text.split_whitespace().next().context("schedstat is empty")?;
        all += Duration::from_nanos(on_cpu.parse()?);
    }
    Ok(all)
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
