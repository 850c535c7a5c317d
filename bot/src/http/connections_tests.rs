//! Connections that say too little, say too much, or take nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::bounds::Bounds;
use super::super::{Unanswered, bounded};
use super::*;

/// How many requests are at work for ever.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// More than there may be under way.
const LARGE: usize = 64 * 1024 * 1024;

async fn serving(patience: Patience) -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
    serving_within(patience, Bounds::PUBLIC).await
}

async fn serving_within(patience: Patience, bounds: Bounds) -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let hold = get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string());
    let router = Router::new().route("/", hold).route("/slow", get(async || tokio::time::sleep(DRAIN / 10).await));
    let router = router.route("/large", get(async || vec![7_u8; LARGE])).route("/healthz", get(async || "ok"));
    let router = router.route("/take", post(async |body: axum::body::Bytes| body.len().to_string()));
    let router = router.route(
        "/never",
        get(async || {
            AT_WORK.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }),
    );
    let router = bounded(router, |_: &Uri, why| match why {
        Unanswered::TooLate => http::StatusCode::REQUEST_TIMEOUT.into_response(),
        Unanswered::TooMuch => http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
    });
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let places = Places::new(bounds, &[]);
    tokio::spawn(serve_within(patience, listener, router, places, async { drop(stopped.await) }));
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

/// What one address may do here is what all may.
const FEW: Bounds = Bounds {
    at_once: 4,
    spare: 1,
    of_address: 4,
    of_proxy: 4,
    bytes: 256 * 1024,
    bytes_of_address: 256 * 1024,
    bytes_of_proxy: 256 * 1024,
};

async fn begun(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    connection
}

/// Waits until the server has closed the connection, and reads nothing else from it.
async fn is_let_go(connection: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(Duration::from_secs(20), connection.read(&mut [0; 1])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

fn upload(length: usize) -> Vec<u8> {
    format!("POST /take HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_head_that_is_larger_than_the_buffer_is_refused() {
    let (address, _stop) = serving(OURS).await;
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n", "a".repeat(2 * BUFFER));
    let mut connection = begun(address, head.as_bytes()).await;
    let mut heard = Vec::new();
    // What it has not read may make the system reset the connection.
    let _ = connection.read_to_end(&mut heard).await;
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431 "), "{heard}");
}

#[tokio::test]
async fn bodies_that_never_end_give_way_to_one_that_is_whole() {
    let (address, _stop) = serving_within(OURS, FEW).await;
    let mut stuck = Vec::new();
    for _ in 0..3 {
        stuck.push(begun(address, &[upload(1_000_000), vec![b'a'; 70_000]].concat()).await);
    }
    let whole = said(address, &[upload(100_000), vec![b'a'; 100_000]].concat()).await;
    assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("100000"), "{whole}");
    assert!(is_let_go(&mut stuck[0]).await, "the oldest one");
}

#[tokio::test]
async fn a_body_that_is_more_than_all_there_is_is_refused_and_so_is_one_of_countless_small_parts() {
    let (address, _stop) = serving_within(OURS, FEW).await;
    let large = said(address, &[upload(300_000), vec![b'a'; 300_000]].concat()).await;
    assert!(large.starts_with("HTTP/1.1 503 "), "{large}");
    let head = b"POST /take HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_vec();
    let small = said(address, &[head, b"1\r\na\r\n".repeat(10_000), b"0\r\n\r\n".to_vec()].concat()).await;
    assert!(small.starts_with("HTTP/1.1 503 "), "{small}");
}

#[tokio::test]
async fn large_answers_that_are_not_taken_give_way_to_one_that_is() {
    let most = 5 * MOST_OF_AN_ANSWER / 2;
    let (address, _stop) = serving_within(OURS, Bounds { bytes: most, bytes_of_address: most, ..FEW }).await;
    let ask = b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let mut connection = begun(address, ask).await;
        assert_eq!(connection.read_u8().await.unwrap(), b'H');
        stuck.push(connection);
    }
    let mut taken = Vec::new();
    begun(address, ask).await.read_to_end(&mut taken).await.unwrap();
    assert!(taken.starts_with(b"HTTP/1.1 200 ") && taken.len() > LARGE, "{}", taken.len());
    let mut broken = 0;
    for mut connection in stuck {
        let mut rest = Vec::new();
        // What was under way may still come; the rest does not.
        let _ = connection.read_to_end(&mut rest).await;
        broken += usize::from(rest.len() < LARGE);
    }
    assert_eq!(broken, 1, "one of them gave way, and no more");
}

#[tokio::test]
async fn idle_connections_give_way_to_new_ones_the_oldest_first() {
    let (address, _stop) = serving_within(OURS, FEW).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(begun(address, b"").await);
    }
    // The first one speaks, so the second one is the oldest from then on.
    idle[0].write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"127.0.0.1") {
        heard.push(idle[0].read_u8().await.unwrap());
    }
    assert!(said(address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.ends_with("127.0.0.1"));
    assert!(is_let_go(&mut idle[1]).await);
    for other in [0, 2, 3] {
        idle[other].write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert_eq!(idle[other].read_u8().await.unwrap(), b'H', "{other}");
    }
}

#[tokio::test]
async fn where_every_request_is_at_work_a_probe_is_answered_and_nothing_else() {
    let (address, _stop) = serving_within(OURS, FEW).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        busy.push(begun(address, b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await);
    }
    let ask =
        async |path: &str| said(address, format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).await;
    while AT_WORK.load(Ordering::SeqCst) < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(ask("/").await.starts_with("HTTP/1.1 503 "));
    assert!(ask("/healthz").await.starts_with("HTTP/1.1 200 "));
}
