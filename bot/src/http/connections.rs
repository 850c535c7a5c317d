//! Connections: so many and no more, each of which has to say soon what it wants. Whoever holds them open must not keep the process
//! from opening others, for it closes rules through those.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::serve::Listener;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::DRAIN;
use super::impatient::Impatient;

/// How many there may be; others wait. A process often has no more than 1,024 files, and needs some of its own.
const AT_ONCE: usize = 900;
/// How long everybody is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// How long one may take to say what it wants, or say nothing between two requests.
    to_speak: Duration,
    /// How long one may take nothing of what it is sent.
    to_take: Duration,
}

/// Proxies keep a connection for a minute. How long a request may take in between is [`observed`](super::observed)'s.
const OURS: Patience = Patience { to_speak: Duration::from_secs(75), to_take: Duration::from_secs(60) };

/// Serves until `shutdown` resolves, and then lets what was begun end, within bounds: a request that never ends must not keep the
/// next process from starting.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    serve_within(OURS, listener, router, shutdown).await;
}

async fn serve_within(patience: Patience, mut listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let (places, mut shutdown) = (Arc::new(Semaphore::new(AT_ONCE)), pin!(shutdown));
    let (stop, stopping) = watch::channel(());
    loop {
        let (place, (connection, peer)) = tokio::select! {
            // It is never closed.
            accepted = async { (Arc::clone(&places).acquire_owned().await.ok(), Listener::accept(&mut listener).await) } => accepted,
            () = &mut shutdown => break,
        };
        let router = router.clone().layer(Extension(ConnectInfo::<SocketAddr>(peer)));
        let (stopping, place) = (stopping.clone(), place);
        tokio::spawn(async move {
            serve_one(connection, router, patience, stopping).await;
            drop(place);
        });
    }
    drop((listener, stopping));
    // Each keeps a receiver until it has ended.
    let _ = stop.send(());
    let _ = tokio::time::timeout(DRAIN, stop.closed()).await;
}

/// Plain HTTP/1.1: what speaks anything newer stands before us, and speaks this as well.
async fn serve_one(connection: TcpStream, router: Router, patience: Patience, mut stopping: watch::Receiver<()>) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience.to_speak);
    let connection = Impatient::new(connection, patience.to_take);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(connection), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// More than there may be under way.
    const LARGE: usize = 64 * 1024 * 1024;

    async fn serving(patience: Patience) -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
        let hold = get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string());
        let router = Router::new().route("/", hold).route("/slow", get(async || tokio::time::sleep(DRAIN / 10).await));
        let router = router.route("/large", get(async || vec![7_u8; LARGE]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(serve_within(patience, listener, router, async { drop(stopped.await) }));
        (address, stop)
    }

    /// What comes back for these bytes, until the server closes.
    async fn said(address: SocketAddr, bytes: &[u8]) -> String {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(bytes).await.unwrap();
        let mut heard = String::new();
        connection.read_to_string(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_let_go() {
        let soon = Duration::from_millis(500);
        let (address, _stop) = serving(Patience { to_speak: soon, ..OURS }).await;
        for begun in ["", "P", "GET / HTTP/1.1\r\nhost: a\r\n", "PRI * HTTP/2"] {
            let heard = tokio::time::timeout(soon * 20, said(address, begun.as_bytes())).await;
            assert!(heard.is_ok(), "{begun:?}");
        }
    }

    #[tokio::test]
    async fn whoever_asks_and_takes_nothing_is_let_go_and_a_slow_one_is_not() {
        let soon = Duration::from_millis(500);
        let (address, _stop) = serving(Patience { to_take: soon, ..OURS }).await;
        let ask = async || {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
            connection
        };
        let (mut stuck, mut slow) = (ask().await, ask().await);
        let (mut heard, mut part) = (0, vec![0; LARGE / 16]);
        loop {
            match slow.read(&mut part).await.unwrap() {
                0 => break,
                more => heard += more,
            }
            tokio::time::sleep(soon / 50).await;
        }
        assert!(heard > LARGE, "{heard}");
        tokio::time::sleep(soon * 2).await;
        let mut rest = Vec::new();
        // What was under way may still come; the rest does not.
        let _ = tokio::time::timeout(soon * 20, stuck.read_to_end(&mut rest)).await.expect("it was let go");
        assert!(rest.len() < LARGE, "{}", rest.len());
    }

    #[tokio::test]
    async fn what_was_begun_ends_and_then_so_does_the_server() {
        let (address, stop) = serving(OURS).await;
        let whole = said(address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("127.0.0.1"), "{whole}");
        let slow = tokio::spawn(said(address, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n"));
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.send(()).unwrap();
        assert!(slow.await.unwrap().starts_with("HTTP/1.1 200 "));
        assert!(TcpStream::connect(address).await.is_err());
    }
}
