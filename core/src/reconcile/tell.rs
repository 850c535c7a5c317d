//! Lets the rules that wait for a blocked resource show why, each once: a few in each transaction, so that nothing waits behind them.

use std::collections::BTreeSet;

use crate::provider::Next;
use crate::store::StoreError;

use super::Reconciler;
use super::judge::Trouble;
use super::record::{News, lock_sessions, statuses_of};
use super::worker::logged;

/// Openings in one transaction.
const AT_ONCE: u32 = 200;

impl Reconciler {
    /// Lets some of the rules that wait show why; whether there may be more of them.
    pub(super) async fn tell_waiting(&self) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let Some(block) = tx.untold_block().await? else { return Ok(false) };
        tx.lock_resources(&BTreeSet::from([block.resource.clone()])).await?;
        // It may have been lifted, or told of, while the lock was waited for.
        let Some(block) = tx.block(&block.resource, block.family).await?.filter(|block| block.untold) else { return Ok(true) };
        // What may pass by itself is not told of yet; it is when it has not.
        let openings = if block.is_loud() { tx.untold_openings(&block, AT_ONCE).await? } else { Vec::new() };
        let sessions = lock_sessions(&mut tx, openings.iter().map(|opening| &opening.id)).await?;
        let before = statuses_of(&mut tx, &sessions).await?;
        let trouble = Trouble { message: block.reason.clone(), next: Next::GiveUp };
        for opening in &openings {
            for rule in tx.rules_on(&opening.id).await? {
                if let Some(session) = sessions.get(&rule.session) {
                    let news = News { opening, wanted: true, absence: None, trouble: Some(&trouble), remarked: false };
                    self.settle(&mut tx, rule, session, news).await?;
                }
            }
        }
        self.record_statuses(&mut tx, &sessions, &before).await?;
        let all = openings.len() < usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
        if all {
            tx.block_told(&block).await?;
        }
        tx.commit().await?;
        self.nudges.sessions_changed();
        Ok(!openings.is_empty() || all)
    }

    /// The same for a worker's loop, which goes on with it in its next round.
    pub(super) async fn tell_some_of_those_who_wait(&self) {
        let told = match self.tell_waiting().await {
            Err(error) if self.set_aside(&error).await => Some(true),
            told => logged(told),
        };
        if told == Some(true) {
            self.nudges.reconcile.notify_one();
        }
    }
}
