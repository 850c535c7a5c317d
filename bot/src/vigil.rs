//! What is looked at from time to time, for `/metrics`: the providers' limits, and the audit log's chain of hashes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use entryguard_core::domain::SoundChain;
use entryguard_core::reconcile::Reconciler;
use entryguard_core::store::Store;
use metrics::gauge;

/// How often the limits are read.
const LIMITS: Duration = Duration::from_secs(10);
/// How often what has come to the audit log is checked.
const NEW_ENTRIES: Duration = Duration::from_secs(60);
/// How often all of it is, for somebody may change what was sound.
const WHOLE_LOG: Duration = Duration::from_secs(24 * 60 * 60);

/// Shows what is left of the providers' limits, for ever.
pub async fn watch_limits(reconciler: Arc<Reconciler>) {
    loop {
        if let Err(error) = reconciler.measure_limits().await {
            tracing::warn!(error = ?error, "what is left of the providers' limits could not be read");
        }
        tokio::time::sleep(LIMITS).await;
    }
}

/// Checks the audit log at the start and every day, and what comes to it meanwhile every minute, for ever.
pub async fn watch_the_audit_log(store: Arc<Store>) {
    let (mut sound, mut last_whole) = (None::<SoundChain>, Instant::now());
    loop {
        if last_whole.elapsed() >= WHOLE_LOG {
            (sound, last_whole) = (None, Instant::now());
        }
        let checked = match &sound {
            Some(sound) => store.check_log_since(sound).await,
            None => store.check_log(None).await,
        };
        match checked {
            Ok(Ok(chain)) => {
                gauge!("entryguard_audit_chain_ok").set(1);
                sound = Some(chain);
            }
            // From the beginning again: it stays broken until somebody has mended it.
            Ok(Err(broken)) => {
                gauge!("entryguard_audit_chain_ok").set(0);
                tracing::error!(%broken, "the audit log is broken; `entryguard audit verify` says what to do");
                sound = None;
            }
            Err(error) => tracing::warn!(error = ?error, "the audit log could not be checked; trying again"),
        }
        tokio::time::sleep(NEW_ENTRIES).await;
    }
}
