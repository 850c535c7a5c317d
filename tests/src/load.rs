//! Keeps a test that measures time apart from tests that take all of the machine.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static LOAD: RwLock<()> = RwLock::const_new(());

/// Takes all of the machine, along with others that do, until it is dropped; waits for whoever measures.
pub async fn busy() -> RwLockReadGuard<'static, ()> {
    LOAD.read().await
}

/// Has nobody beside it who takes all of the machine, until it is dropped.
pub async fn quiet() -> RwLockWriteGuard<'static, ()> {
    LOAD.write().await
}
