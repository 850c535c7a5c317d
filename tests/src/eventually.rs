//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Long enough for anything that should happen at once, on a slow machine with every test running. Nothing waits for so long that works:
/// how fast things are is what the tests of speed say.
pub const SOON: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is `Ok`; past the deadline it panics with the last `Err`, which says what was seen instead.
pub async fn eventually<T, F>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: AsyncFnMut() -> Result<T, String>,
{
    let started = Instant::now();
    loop {
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(started.elapsed() < deadline, "after {deadline:?} still not: {what}\nseen instead: {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
