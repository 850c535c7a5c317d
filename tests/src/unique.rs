//! Names that no other test uses, because all tests share one moto and one Postgres.

use std::sync::atomic::{AtomicU32, Ordering};

/// `prefix-PID-N`: unique among the tests of this process, and among processes that run at once.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
