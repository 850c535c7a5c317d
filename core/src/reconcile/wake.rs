//! Wakes the other replicas, and is woken by them: many wishes in one moment are one hint.

use std::sync::Arc;
use std::time::Duration;

use super::worker::logged;
use super::{Reconciler, measure};

/// How long hints are gathered.
const GATHER: Duration = Duration::from_millis(25);
/// How long to wait before listening again where that failed: the poll finds what is due meanwhile.
const AGAIN: Duration = Duration::from_secs(5);

impl Reconciler {
    /// Passes hints to and from the other replicas, for ever.
    pub async fn run_wakes(self: Arc<Self>) {
        tokio::join!(self.tell(), self.hear());
    }

    async fn tell(&self) {
        loop {
            self.nudges.others.notified().await;
            tokio::time::sleep(GATHER).await;
            logged(self.store.tell_others().await);
        }
    }

    async fn hear(&self) {
        loop {
            match logged(self.store.listen().await) {
                // Nobody else is there to be heard.
                Some(None) => {
                    measure::listening(true);
                    std::future::pending().await
                }
                Some(Some(mut listener)) => {
                    measure::listening(true);
                    while logged(listener.heard().await).is_some() {
                        self.nudges.wake();
                    }
                }
                None => {}
            }
            measure::listening(false);
            // What was told meanwhile was not heard.
            self.nudges.wake();
            tokio::time::sleep(AGAIN).await;
        }
    }
}
