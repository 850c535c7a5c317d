//! The HTTP server: one router, made of the surfaces that the configuration has.

mod bounds;
pub mod client_address;
mod connections;
pub mod cookies;
mod health;
mod impatient;
mod metered;
mod metrics;
mod observed;
mod origin;
pub mod outgoing;
mod places;
pub mod request_id;
mod security_headers;
pub mod signed;
pub mod streams;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use entryguard_core::config::ServerSettings;
use entryguard_core::engine::Engine;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use bounds::Bounds;
pub use connections::{listen, serve};
pub use observed::{Unanswered, acknowledged, bounded, observed};
pub use origin::SameOrigin;
pub use places::Places;
pub use security_headers::{LivePage, PRIVATE, Page};
use streams::Streams;

/// What every handler may use.
#[derive(Clone)]
pub struct Shared {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// How the server is reached.
    pub server: Arc<ServerSettings>,
    /// What somebody was told is on its way.
    pub promised: TaskTracker,
    /// That nothing more is to be taken: the server ends once it has done what it has taken.
    pub stopping: CancellationToken,
    /// Who follows sessions.
    pub streams: Arc<Streams>,
}

impl Shared {
    /// For a server that is reached so.
    pub fn new(engine: &Arc<Engine>, server: &Arc<ServerSettings>) -> Self {
        let (engine, server) = (Arc::clone(engine), Arc::clone(server));
        Self { engine, server, promised: TaskTracker::new(), stopping: CancellationToken::new(), streams: Arc::default() }
    }
}

/// The routes that are always there; the numbers among them where they have no address of their own.
pub fn base_routes(server: &ServerSettings) -> Router<Shared> {
    let routes = health::routes();
    if server.metrics_listen.is_none() { routes.merge(metrics::routes()) } else { routes }
}

/// What asks how the server is, for an address of its own: probes and numbers.
pub fn probe_routes() -> Router<Shared> {
    health::routes().merge(metrics::routes())
}

/// How long what was begun may take to end.
pub const DRAIN: Duration = Duration::from_secs(10);
