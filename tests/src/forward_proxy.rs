//! A proxy on the way out, as `HTTPS_PROXY` names one. It records what it is asked; its tunnels lead to one server, or it refuses all.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct ForwardProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl ForwardProxy {
    /// A proxy that answers every request with 502.
    pub async fn to_nowhere() -> Self {
        Self::open(None).await
    }

    /// A proxy whose tunnels lead to this port of loopback, whatever the host that they are for.
    pub async fn to(port: u16) -> Self {
        Self::open(Some(port)).await
    }

    async fn open(leads_to: Option<u16>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let recorded = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, leads_to, Arc::clone(&recorded)));
            }
        });
        Self { address, asked, task }
    }

    /// The value of `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same with a name and a password.
    pub fn url_for(&self, user: &str) -> String {
        format!("http://{user}@{}", self.address)
    }

    /// The head of each request, in order of arrival.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The first line of each request, in order of arrival.
    pub fn asked_for(&self) -> Vec<String> {
        self.asked().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// Whether a tunnel to this host was asked for.
    pub fn was_asked_for(&self, host: &str) -> bool {
        self.asked_for().iter().any(|line| line.starts_with(&format!("CONNECT {host}:443 ")))
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, leads_to: Option<u16>, recorded: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_tunnel = head.starts_with("CONNECT ");
    recorded.lock().unwrap().push(head);
    let server = match leads_to.filter(|_| is_tunnel) {
        Some(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok(),
        None => None,
    };
    // A peer that hangs up ends both ways.
    if let Some(mut server) = server {
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    } else {
        let refusal = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(refusal).await;
    }
}
