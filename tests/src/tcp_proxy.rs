//! A proxy before a TCP server that cuts, refuses and silences its connections when a test says so.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// They lead to this server.
    Through(SocketAddr),
    /// They are closed, old and new ones.
    Refusing(SocketAddr),
    /// They stay, and nothing comes through in either direction.
    Silent(SocketAddr),
}

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    mode: watch::Sender<Mode>,
    // Counts the cuts: a connection ends when it changes.
    cuts: watch::Sender<u64>,
    // How many more of the client's packets come through before one is the last; negative for no end.
    packets: AtomicI64,
}

impl TcpProxy {
    /// Stands before `upstream`, on a free port.
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, cuts) = (watch::Sender::new(Mode::Through(upstream)), watch::Sender::new(0));
        let shared = Arc::new(Shared { mode, cuts, packets: AtomicI64::new(-1) });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// The same URL, by way of the proxy.
    pub fn by_way(&self, url: &str) -> String {
        let upstream = upstream_of(*self.shared.mode.borrow());
        url.replace(&format!(":{}/", upstream.port()), &format!(":{}/", self.address.port()))
    }

    /// Cuts every connection, and takes no new one.
    pub fn refuse(&self) {
        self.shared.mode.send_modify(|mode| *mode = Mode::Refusing(upstream_of(*mode)));
        self.cut();
    }

    /// Lets nothing through, without a word to either side.
    pub fn silence(&self) {
        self.shared.mode.send_modify(|mode| *mode = Mode::Silent(upstream_of(*mode)));
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.shared.packets.store(-1, Ordering::SeqCst);
        self.shared.mode.send_modify(|mode| *mode = Mode::Through(upstream_of(*mode)));
    }

    /// Cuts every connection; new ones lead to this server.
    pub fn fail_over_to(&self, upstream: SocketAddr) {
        self.shared.mode.send_replace(Mode::Through(upstream));
        self.cut();
    }

    /// Cuts every connection that there is.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets so many packets of the client's through, and one more whose answer is lost with the connection.
    pub fn cut_after(&self, packets: u32) {
        self.shared.packets.store(i64::from(packets), Ordering::SeqCst);
    }

    /// Whether [`TcpProxy::cut_after`] has come to its cut.
    pub fn has_cut(&self) -> bool {
        self.shared.packets.load(Ordering::SeqCst) < 0
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

const fn upstream_of(mode: Mode) -> SocketAddr {
    match mode {
        Mode::Through(upstream) | Mode::Refusing(upstream) | Mode::Silent(upstream) => upstream,
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let mode = *shared.mode.borrow();
        if !matches!(mode, Mode::Refusing(_)) {
            tokio::spawn(serve(client, upstream_of(mode), Arc::clone(&shared)));
        }
    }
}

async fn serve(client: TcpStream, upstream: SocketAddr, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let both = async {
        until_it_talks(&shared).await;
        let Ok(server) = TcpStream::connect(upstream).await else { return };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = pump(from_client, to_server, &shared, true) => {}
            () = pump(from_server, to_client, &shared, false) => {}
        }
    };
    tokio::select! {
        () = both => {}
        _ = cuts.changed() => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, is_client: bool) {
    let mut packet = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut packet).await else { return };
        until_it_talks(shared).await;
        let is_last = is_client
            && shared.packets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left >= 0).then(|| left - 1)) == Ok(0);
        if to.write_all(&packet[..length]).await.is_err() {
            return;
        }
        if is_last {
            shared.cuts.send_modify(|cuts| *cuts += 1);
        }
    }
}

async fn until_it_talks(shared: &Shared) {
    let mut mode = shared.mode.subscribe();
    // It ends with the proxy.
    let _ = mode.wait_for(|mode| !matches!(mode, Mode::Silent(_))).await;
}
