//! How a test of the engine hears of each step, and ends the work at one.

use std::sync::{Arc, Mutex, PoisonError};

use super::CrashPoint;

tokio::task_local! {
    static WATCH: Watch;
}

/// Hears of the steps that the work within [`watched`] comes to.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<Steps>>);

#[derive(Debug, Default)]
struct Steps {
    reached: Vec<CrashPoint>,
    die_at: Option<usize>,
}

impl Watch {
    /// Lets the work go on to its end.
    pub fn only() -> Self {
        Self::default()
    }

    /// Ends the work at the step of this number, counted from 0.
    pub fn dying_at(step: usize) -> Self {
        Self(Arc::new(Mutex::new(Steps { reached: Vec::new(), die_at: Some(step) })))
    }

    /// The steps so far.
    pub fn reached(&self) -> Vec<CrashPoint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reached.clone()
    }

    /// Notes a step; whether the work ends here.
    fn note(&self, point: CrashPoint) -> bool {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = steps.reached.len();
        steps.reached.push(point);
        steps.die_at == Some(number)
    }

    fn is_dead(&self) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.die_at.is_some_and(|step| steps.reached.len() > step)
    }
}

/// Does the work under watch: its outcome, or nothing where it ended at the step that the watch names, as a crash would end it.
/// Only what the work itself awaits is watched, and not what it spawns.
pub async fn watched<T>(watch: Watch, work: impl Future<Output = T>) -> Option<T> {
    let mut work = Box::pin(WATCH.scope(watch.clone(), work));
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        std::task::Poll::Ready(outcome) => std::task::Poll::Ready(Some(outcome)),
        std::task::Poll::Pending if watch.is_dead() => std::task::Poll::Ready(None),
        std::task::Poll::Pending => std::task::Poll::Pending,
    })
    .await
}

pub(super) async fn reached(point: CrashPoint) {
    if WATCH.try_with(|watch| watch.note(point)).unwrap_or(false) {
        std::future::pending::<()>().await;
    }
}
