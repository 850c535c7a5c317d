//! What comes while a transaction is being committed goes into the next one, together: a commit waits for the disk, so many at once
//! cost hardly more than one, and whoever comes alone waits for nobody. `./x bench slack` tells what that is worth.

use std::future::Future;
use std::mem;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, oneshot};
use tokio::task::yield_now;

/// Gathers items, and gives each its own outcome.
pub(crate) struct Gather<I, O> {
    waiting: Mutex<Vec<(I, oneshot::Sender<O>)>>,
    turn: Turn<()>,
}

impl<I, O> Default for Gather<I, O> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: Turn::default() }
    }
}

impl<I: Send + 'static, O: Send + 'static> Gather<I, O> {
    /// Has an item done together with the others that wait; `run` gives as many outcomes as it gets items, in their order.
    /// Nothing comes back where it panicked.
    pub async fn submit<F>(&self, item: I, run: impl FnOnce(Vec<I>) -> F) -> Option<O>
    where
        F: Future<Output = Vec<O>> + Send + 'static,
    {
        let (tell, mut told) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((item, tell));
        let _turn = self.turn.lock().await;
        if let Ok(outcome) = told.try_recv() {
            return Some(outcome);
        }
        self.let_others_come().await;
        let gathered = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !gathered.is_empty() {
            let (items, waiting): (Vec<_>, Vec<_>) = gathered.into_iter().unzip();
            let run = run(items);
            // A task of its own: if this caller goes away, the others still hear.
            let done = tokio::spawn(async move {
                for (outcome, waiting) in run.await.into_iter().zip(waiting) {
                    // Whoever went away does not want to know.
                    let _ = waiting.send(outcome);
                }
            });
            let _ = done.await;
        }
        told.await.ok()
    }

    /// Until nobody is on the way here who has all that they need but a turn on this processor. Whoever waits for anything else is not
    /// waited for.
    async fn let_others_come(&self) {
        let waiting = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
        let mut before = 0;
        while waiting() > before {
            before = waiting();
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    async fn slowly(items: Vec<u32>) -> Vec<u32> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        items.into_iter().map(|item| item * 2).collect()
    }

    #[tokio::test]
    async fn what_waits_is_done_together_and_each_gets_its_own_outcome() {
        let (gather, runs) = (Gather::default(), AtomicUsize::new(0));
        let submit = |item| {
            let run = |items| {
                runs.fetch_add(1, Ordering::Relaxed);
                slowly(items)
            };
            gather.submit(item, run)
        };
        let outcomes = futures_util::future::join_all((0..100).map(submit)).await;
        assert_eq!(outcomes, (0..100).map(|item| Some(item * 2)).collect::<Vec<_>>());
        assert_eq!(runs.load(Ordering::Relaxed), 1, "all who are there come together");
        let alone = submit(7);
        let late = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            submit(8).await
        };
        assert_eq!(tokio::join!(alone, late), (Some(14), Some(16)));
        assert_eq!(runs.into_inner(), 3, "nobody waits for whoever is not there yet");
    }

    #[tokio::test]
    async fn whoever_goes_away_in_the_middle_takes_nobody_along() {
        let gather = Arc::new(Gather::default());
        let submit = |item| {
            let gather = Arc::clone(&gather);
            tokio::spawn(async move { gather.submit(item, slowly).await })
        };
        let leader = submit(1);
        let follower = submit(2);
        tokio::time::sleep(Duration::from_millis(5)).await;
        leader.abort();
        assert_eq!(follower.await.unwrap(), Some(4));
    }

    #[tokio::test]
    async fn a_run_that_panics_is_told_to_each_and_the_next_goes_on() {
        let gather = Gather::<u32, u32>::default();
        let broken = |_| async { panic!("on purpose") };
        assert_eq!(gather.submit(1, broken).await, None);
        assert_eq!(gather.submit(2, slowly).await, Some(4));
    }
}
