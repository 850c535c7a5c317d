//! The HTTP server: one router, made of the surfaces that the configuration has.

pub mod client_address;
pub mod cookies;
mod health;
mod metrics;
mod observed;
mod origin;
pub mod outgoing;
pub mod request_id;
mod security_headers;
pub mod signed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use entryguard_core::config::ServerSettings;
use entryguard_core::engine::Engine;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use observed::{acknowledged, observed};
pub use origin::SameOrigin;
pub use security_headers::{LivePage, PRIVATE, Page};

/// What every handler may use.
#[derive(Clone)]
pub struct Shared {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// How the server is reached.
    pub server: Arc<ServerSettings>,
}

/// The routes that are always there; the numbers among them where they have no address of their own.
pub fn base_routes(server: &ServerSettings) -> Router<Shared> {
    let routes = health::routes().merge(crate::web::confirm::routes());
    if server.metrics_listen.is_none() { routes.merge(metrics::routes()) } else { routes }
}

/// The numbers alone, for an address of their own.
pub fn metrics_routes() -> Router<Shared> {
    metrics::routes()
}

/// How long what was begun may take to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `shutdown` resolves, and then lets what was begun end, within bounds: a request that never ends must not keep the
/// next process from starting.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let (told, hear) = oneshot::channel();
    let graceful = axum::serve(listener, service).with_graceful_shutdown(async move {
        shutdown.await;
        let _ = told.send(());
    });
    let patience_over = async {
        // Where nobody will ever tell, the server has ended by itself, and the other branch says so.
        if hear.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = graceful => ended,
        () = patience_over => Ok(()),
    }
}
