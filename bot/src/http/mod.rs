//! The HTTP server: one router, made of the surfaces that the configuration has.

pub mod client_address;
mod health;
mod origin;
mod security_headers;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use entryguard_core::config::ServerSettings;
use entryguard_core::engine::Engine;
use tokio::net::TcpListener;

pub use origin::SameOrigin;
pub use security_headers::Page;

/// What every handler may use.
#[derive(Clone)]
pub struct Shared {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// How the server is reached.
    pub server: Arc<ServerSettings>,
}

/// The routes that are always there.
pub fn base_routes() -> Router<Shared> {
    health::routes().merge(crate::web::confirm::routes())
}

/// Serves until `shutdown` resolves, and then lets what was begun end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}
