//! The clocks of this machine.

use std::sync::OnceLock;

use super::{Clock, Monotonic};
use crate::domain::Timestamp;

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's wall clock")]
    fn now(&self) -> Timestamp {
        let millis = chrono::Utc::now().timestamp_millis();
        Timestamp::from_millis(millis.saturating_add(wrong_by()))
    }

    fn monotonic(&self) -> Monotonic {
        monotonic()
    }

    fn boot(&self) -> Option<String> {
        static BOOT: OnceLock<Option<String>> = OnceLock::new();
        BOOT.get_or_init(boot).clone()
    }
}

/// `CLOCK_BOOTTIME` on Linux, where `CLOCK_MONOTONIC` stands still while the machine is suspended. On macOS `CLOCK_MONOTONIC` does not.
#[cfg(unix)]
fn monotonic() -> Monotonic {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let read = clock_gettime(CLOCK);
    Monotonic::from_millis(read.tv_sec.saturating_mul(1_000).saturating_add(read.tv_nsec / 1_000_000))
}

/// The standard library's clock, which counts from the first reading of this process.
#[cfg(not(unix))]
fn monotonic() -> Monotonic {
    static BEGAN: OnceLock<std::time::Instant> = OnceLock::new();
    let elapsed = BEGAN.get_or_init(std::time::Instant::now).elapsed();
    Monotonic::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

/// The kernel's id of this boot, and the namespace of the clock: a container may have one whose clock counts from another point.
#[cfg(target_os = "linux")]
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/time").ok()?;
    Some(format!("{} {}", id.trim(), namespace.display()))
}

#[cfg(not(target_os = "linux"))]
const fn boot() -> Option<String> {
    None
}

#[cfg(not(debug_assertions))]
const fn wrong_by() -> i64 {
    0
}

/// By how many milliseconds a test puts the wall clock of a debug build wrong; a release build has none of this.
/// `ENTRYGUARD_CLOCK_FAST_BY=6s` is for the whole run. `ENTRYGUARD_CLOCK_FILE` names a file that is read each time: `1h`, or `-1h`.
#[cfg(debug_assertions)]
fn wrong_by() -> i64 {
    static FAST_BY: OnceLock<i64> = OnceLock::new();
    static FILE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let fast_by =
        *FAST_BY.get_or_init(|| std::env::var("ENTRYGUARD_CLOCK_FAST_BY").ok().and_then(|text| millis(&text)).unwrap_or(0));
    let file = FILE.get_or_init(|| std::env::var_os("ENTRYGUARD_CLOCK_FILE").map(Into::into)).as_ref();
    let read = file.and_then(|path| std::fs::read_to_string(path).ok()).and_then(|text| millis(text.trim()));
    fast_by.saturating_add(read.unwrap_or(0))
}

#[cfg(debug_assertions)]
fn millis(text: &str) -> Option<i64> {
    let (sign, length) = text.strip_prefix('-').map_or((1, text), |length| (-1, length));
    length.parse::<crate::domain::Span>().ok().map(|span| sign * span.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_goes_on_and_counts_in_milliseconds() {
        let (began, before) = (std::time::Instant::now(), SystemClock.monotonic());
        std::thread::sleep(std::time::Duration::from_millis(20));
        let passed = SystemClock.monotonic().since(before).as_millis();
        let at_most = i64::try_from(began.elapsed().as_millis()).unwrap() + 1;
        assert!((19..=at_most).contains(&passed), "{passed} ms of at most {at_most} ms");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_boot_has_one_name() {
        assert!(SystemClock.boot().is_some_and(|boot| boot.len() > 36));
        assert_eq!(SystemClock.boot(), boot());
    }
}
