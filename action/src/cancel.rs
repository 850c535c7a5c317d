//! The runner's word that the job is cancelled: an interrupt, and some seconds later a request to end.

use std::io;

/// Resolves when the job is cancelled.
#[cfg(unix)]
pub fn cancelled() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves when the job is cancelled.
#[cfg(windows)]
pub fn cancelled() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut close) = (tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_break()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = close.recv() => {}
        }
    })
}
