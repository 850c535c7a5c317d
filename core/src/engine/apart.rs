//! Closes many, each apart: one that fails, or that cannot be read, keeps no other open.

use crate::domain::SessionId;
use crate::random::Random;
use crate::store::{Store, StoreError};

/// Does a step, again and again for as long as a row that cannot be read is in its way: each is set aside, which takes back what it
/// granted.
pub(super) async fn past_unreadable<T, F>(store: &Store, random: &dyn Random, step: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match step().await {
            Err(error) if store.set_aside(&error, random).await? => {}
            done => return done,
        }
    }
}

/// Does a step to each, [`past_unreadable`] rows; how many it changed. The first error is told after all have had their turn.
pub(super) async fn to_each<F>(
    store: &Store,
    random: &dyn Random,
    ids: &[SessionId],
    step: impl Fn(SessionId) -> F,
) -> Result<usize, StoreError>
where
    F: Future<Output = Result<bool, StoreError>>,
{
    let (changed, failed) = changed_of_each(store, random, ids, step).await;
    failed.map_or(Ok(changed.len()), Err)
}

/// The same; which it changed, also where there was an error.
pub(super) async fn changed_of_each<F>(
    store: &Store,
    random: &dyn Random,
    ids: &[SessionId],
    step: impl Fn(SessionId) -> F,
) -> (Vec<SessionId>, Option<StoreError>)
where
    F: Future<Output = Result<bool, StoreError>>,
{
    let (mut changed, mut failed) = (Vec::new(), None);
    for id in ids {
        match past_unreadable(store, random, || step(id.clone())).await {
            Ok(true) => changed.push(id.clone()),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(session = %id, %error, "a session could not be closed or narrowed; the others are gone on with");
                failed = failed.or(Some(error));
            }
        }
    }
    (changed, failed)
}

#[cfg(test)]
#[path = "apart_tests.rs"]
mod tests;
