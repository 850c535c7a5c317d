//! Listeners and clients on this machine's loopback address.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::task::JoinHandle;

/// A small HTTP server that ends when it is dropped.
#[derive(Debug)]
pub struct Listener {
    /// Where it is, `http://…`.
    pub address: String,
    task: JoinHandle<()>,
}

impl Listener {
    /// Serves these routes on a free port.
    pub async fn serve(router: Router) -> Self {
        let socket = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        Self { address, task }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A free port, for a program that must be told its port, and that is to find it free again after it was killed: below those that
/// systems give to whoever asks for any, so that no connection of another test takes it meanwhile.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const MANY: u32 = 20_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Two runs at once begin at different places.
    let begin = std::process::id() * 97;
    let next = || FIRST + (begin + TRIED.fetch_add(1, Ordering::Relaxed)) % MANY;
    let candidates = (0..MANY).map(|_| u16::try_from(next()).expect("a port"));
    let mut free = candidates.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.next().expect("a port is free")
}

/// After so long a client gives up. Whoever measures an answer does so by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client that goes straight to loopback, and gives up in the end.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// The same, for whoever follows redirects by hand: a browser takes the cookies of each answer.
pub fn client_that_stays() -> reqwest::Client {
    let stays = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(stays).timeout(PATIENCE).build().unwrap()
}
