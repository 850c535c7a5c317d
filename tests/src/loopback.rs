//! Listeners and clients on this machine's loopback address.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use axum::Router;
use tokio::task::JoinHandle;

/// A small HTTP server that ends when it is dropped.
#[derive(Debug)]
pub struct Listener {
    pub address: String,
    task: JoinHandle<()>,
}

impl Listener {
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

/// A port that was free a moment ago, for a program that must be told its port.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A client that goes straight to loopback, and gives up in the end.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap()
}
