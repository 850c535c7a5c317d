//! Connections: a bounded number (see [`places`](super::places)), each of which has to send its request soon and in few bytes. Idle or
//! unfinished connections must not use up the process's files and memory, which closing rules needs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::DRAIN;
use super::impatient::Impatient;
use super::metered::{Held, Metered, REQUEST, Sending};
use super::places::{Kind, Place, Places};

/// How long everybody is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// How long one may take to say what it wants, or say nothing between two requests.
    to_speak: Duration,
    /// The same on a spare place.
    on_a_spare_place: Duration,
    /// How long one may take nothing of what it is sent.
    to_take: Duration,
}

/// Proxies keep a connection for a minute. How long a request may take in between is [`observed`](super::observed)'s.
const OURS: Patience =
    Patience { to_speak: Duration::from_secs(75), on_a_spare_place: Duration::from_secs(5), to_take: Duration::from_secs(60) };
/// What one connection may buffer, either way: no head of a request may be larger.
const BUFFER: usize = 16 * 1024;
/// What an answer costs at the most: a large one for a member who may see it must not be refused for its size.
const MOST_OF_AN_ANSWER: usize = 1024 * 1024;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
/// What asks how the server is. It is answered also where nothing else is.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Listens on an address.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown` resolves, and then lets what was begun end, within bounds: a request that never ends must not keep the
/// next process from starting.
pub async fn serve(listener: TcpListener, router: Router, places: Arc<Places>, shutdown: impl Future<Output = ()>) {
    serve_within(OURS, listener, router, places, shutdown).await;
}

async fn serve_within(
    patience: Patience,
    mut listener: TcpListener,
    router: Router,
    places: Arc<Places>,
    shutdown: impl Future<Output = ()>,
) {
    let (router, mut shutdown) = (TowerToHyperService::new(router), pin!(shutdown));
    let (stop, stopping) = watch::channel(());
    loop {
        let (connection, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut shutdown => break,
        };
        // Without a place it is closed at once: waiting in the backlog it would keep a probe from being heard.
        let Some(place) = places.take(peer.ip()).map(Arc::new) else { continue };
        let (router, stopping) = (router.clone(), stopping.clone());
        tokio::spawn(serve_one(connection, peer, router, place, patience, stopping));
    }
    drop((listener, stopping));
    // Each keeps a receiver until it has ended.
    let _ = stop.send(());
    let _ = tokio::time::timeout(DRAIN, stop.closed()).await;
}

/// Plain HTTP/1.1: what speaks anything newer stands before us, and speaks this as well.
async fn serve_one(
    connection: TcpStream,
    peer: SocketAddr,
    router: TowerToHyperService<Router>,
    place: Arc<Place>,
    patience: Patience,
    mut stopping: watch::Receiver<()>,
) {
    let is_spare = place.kind() == Kind::Spare;
    let to_speak = if is_spare { patience.on_a_spare_place } else { patience.to_speak };
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(to_speak).keep_alive(!is_spare).max_buf_size(BUFFER);
    let connection = Impatient::new(connection, patience.to_take).in_place(Arc::clone(&place));
    let here = Arc::clone(&place);
    let service = service_fn(move |request| {
        let (router, place) = (router.clone(), Arc::clone(&here));
        async move { Ok::<_, Infallible>(answer(router, place, peer, request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(connection), service));
    let ended = tokio::select! {
        biased;
        () = place.closed() => return,
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Answers a request, whose bytes count until then. One that is refused bytes or has no regular place says so in the words of its path
/// (see [`bounded`](super::bounded)), and ends its connection.
async fn answer(
    router: TowerToHyperService<Router>,
    place: Arc<Place>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Sending> {
    let is_whole = request.body().is_end_stream();
    if !(if is_whole { place.works() } else { place.awaits_bytes() }) {
        // The connection was closed before the request came, and its task ends by itself.
        std::future::pending::<()>().await;
    }
    let held = Arc::new(Held::none(Arc::clone(&place)));
    let is_probe = PROBES.contains(&request.uri().path());
    if place.kind() == Kind::Spare && !is_probe {
        held.refuse();
    }
    if !is_probe && !held.is_refused() {
        // Where that fails, it is refused by what is around the routes.
        let _ = held.draw(REQUEST).await;
    }
    let mut request = request.map(|body| Metered::new(body, Arc::clone(&held)));
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(Arc::clone(&held));
    let only_reads = request.method().is_safe();
    let mut response = router.call(request).await.unwrap_or_else(|never| match never {});
    place.works();
    if held.is_refused() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    drop(held);
    let sent = Held::none(Arc::clone(&place));
    // What was done has to be told, and answers to that are small.
    if only_reads && !is_probe && sent.draw(cost_of(response.body())).await.is_err() {
        response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response.map(|body: Body| Sending::new(body, place, sent))
}

/// What an answer costs until its peer has taken it; nothing where it is made while it is sent.
fn cost_of(body: &Body) -> usize {
    let length = body.size_hint().exact().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    length.min(MOST_OF_AN_ANSWER)
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
