//! A TCP connection's way through this process: a test cuts it, as a firewall or a pulled cable would.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes bytes on to one address until it is cut. It ends when it is dropped.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    is_cut: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Leads to `upstream`, `HOST:PORT`.
    pub async fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let is_cut = Arc::new(watch::Sender::new(false));
        let task = tokio::spawn(accept(listener, upstream.to_owned(), Arc::clone(&is_cut)));
        Self { port, is_cut, task }
    }

    /// Where it begins: a port of loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection, and each new one as soon as it is made.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Passes new connections on again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: String, is_cut: Arc<watch::Sender<bool>>) {
    loop {
        let Ok((mut near, _)) = listener.accept().await else { continue };
        let (mut cut, upstream) = (is_cut.subscribe(), upstream.clone());
        tokio::spawn(async move {
            let pass = async {
                let Ok(mut far) = TcpStream::connect(&upstream).await else { return };
                // How a connection ends is for its two ends to judge.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            };
            tokio::select! {
                _ = cut.wait_for(|cut| *cut) => {}
                () = pass => {}
            }
        });
    }
}
