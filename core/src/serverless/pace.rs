//! How fast to look again, and for how long.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::provider::{Next, ProviderError};

/// The first pause, which doubles.
const FIRST: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(2);

/// What waits, and knows for how long.
#[async_trait]
pub trait Timer: Send + Sync {
    /// How long it has run.
    fn elapsed(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, pause: Duration);
}

/// The machine's timer.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimer {
    began: Instant,
}

/// How long somebody is ready to wait.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    timer: &'a dyn Timer,
    ends: Duration,
}

/// One loop's steps, further and further apart.
pub(super) struct Pace<'a> {
    patience: Patience<'a>,
    steps: u32,
    last: Option<ProviderError>,
}

impl SystemTimer {
    /// A timer that runs from now on.
    pub fn start() -> Self {
        Self { began: Instant::now() }
    }
}

#[async_trait]
impl Timer for SystemTimer {
    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

impl<'a> Patience<'a> {
    /// From now on, for so long.
    pub fn of(patience: Duration, timer: &'a dyn Timer) -> Self {
        Self { timer, ends: timer.elapsed() + patience }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.timer.elapsed()
    }
}

impl<'a> Pace<'a> {
    pub(super) fn with(patience: Patience<'a>) -> Self {
        Self { patience, steps: 0, last: None }
    }

    /// What came of a step: the value, nothing where trying again may help, or the error that will not pass.
    pub(super) fn outcome<T>(&mut self, result: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.next() == Next::Retry => {
                self.last = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Before another look: the first follows at once, because most often it shows what was done.
    pub(super) async fn again(&mut self, doing: &str) -> Result<(), ProviderError> {
        self.steps += 1;
        let Some(doublings) = self.steps.checked_sub(2) else { return Ok(()) };
        let pause = LONGEST.min(FIRST * 2_u32.pow(doublings.min(5)));
        if self.patience.elapsed() + pause > self.patience.ends {
            return Err(self.last.take().unwrap_or_else(|| ProviderError::Rejected {
                what: doing.to_owned(),
                reason: "the list does not show it in time; other jobs may be at the same rules".to_owned(),
            }));
        }
        self.patience.timer.sleep(pause).await;
        Ok(())
    }
}
