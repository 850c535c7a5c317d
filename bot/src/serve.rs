//! `entryguard serve`: builds everything, serves, and drains.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use entryguard_core::config::Settings;
use entryguard_core::engine::Engine;
use entryguard_core::store::{Outage, StoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::http::{self, Bounds, Places, Shared, Unanswered};
use crate::reload::Reload;
use crate::surfaces::{self, Apps};
use crate::telemetry;
use crate::webhook;
use crate::wiring::Wired;
use crate::workers;

/// How often to look what other replicas were told of people.
const CATCH_UP: Duration = Duration::from_secs(2);

/// How long to wait for the database's connections in the end.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves until it is told to stop.
pub async fn run(config: &Path) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(config)?;
    let (traces, _log) = telemetry::start_with_traces(settings.telemetry.as_ref())?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let served = serve(config, settings).await;
    traces.flush().await;
    served
}

async fn serve(config: &Path, settings: Settings) -> anyhow::Result<ExitCode> {
    let server = Arc::new(settings.server.clone());
    let wired = Wired::build(&settings.database, settings.directory.clone(), settings.later_reads.clone()).await;
    let mut wired = wired.map_err(without_database)?;
    if settings.github.as_ref().is_some_and(|github| github.login.is_some()) {
        wired.engine = Arc::new(Engine::clone(&wired.engine).with_logins());
    }
    if server.keeps_sign_ins() {
        wired.engine = Arc::new(Engine::clone(&wired.engine).with_pages(settings.web));
    }
    // Before the first request and before the first pass: what a crash left in flight is due.
    wired.reconciler.resume().await.map_err(|error| without_database(error.into()))?;
    wired.engine.catch_up().await.map_err(|error| without_database(error.into()))?;
    let (webhooks, told) = watch::channel(Arc::new(settings.webhooks.clone()));
    let reload = Reload::new(&wired, config.to_owned(), &settings, webhooks)?;
    let mut workers = workers::start(&wired, settings.sweep);
    workers.spawn(reload.run());
    workers.spawn(catch_up(Arc::clone(&wired.engine)));
    workers.spawn(webhook::run(Arc::clone(&wired.engine), told));
    let Settings { slack, discord, github, oidc, api, shared_exits, seal_secret, .. } = settings;
    let apps = Apps { slack, discord, github, oidc, api, seal_secret, shared_exits };
    let shared = Shared::new(&wired.engine, &server);
    let router = surfaces::start(&wired, shared.clone(), apps, &mut workers).await?;
    let (listener, places) = (listen(server.listen)?, Places::new(Bounds::PUBLIC, &server.trusted_proxies));
    if let Some(address) = server.metrics_listen {
        workers.spawn(serve_probes(listen(address)?, shared.clone()));
    }
    tracing::info!(listen = %server.listen, url = server.public_url, "serving");
    tokio::select! {
        () = http::serve(listener, router, places, stop_taking(told_to_stop()?, shared.stopping.clone())) => {}
        // They run for ever: one that ended has crashed, and a server that closes nothing any more must not look alive.
        ended = workers.join_next() => bail!("a worker has ended ({ended:?}); start again, which resumes what was in flight"),
    }
    // What somebody was told is on its way is still done and answered, within the same bounds as what was begun.
    shared.promised.close();
    let _ = tokio::time::timeout(http::DRAIN, shared.promised.wait()).await;
    // Openings stay as they are: sessions go on, and whoever starts next resumes what was in flight.
    workers.shutdown().await;
    // Whatever is still at work there is started over by whoever starts next.
    let _ = tokio::time::timeout(CLOSING, wired.store.close()).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// A server that cannot open its database does not know which rules are its own, so it cannot close them by their tags.
fn without_database(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<StoreError>() {
        Some(store) if store.outage() != Outage::Other => error.context(
            "the server does not start without its database; until that is back, run `entryguard sweep --expired` every few minutes, which closes what is overdue by the tags on the rules",
        ),
        _ => error,
    }
}

/// Lets nothing more be taken once the server is told to stop, over whatever it comes.
async fn stop_taking(told: impl Future<Output = ()>, stopping: CancellationToken) {
    told.await;
    stopping.cancel();
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    http::listen(address).with_context(|| format!("cannot listen on {address}"))
}

/// Answers probes and shows the numbers on an address of their own, for as long as the server runs: what fills the other address's
/// connections must not make the server look dead.
async fn serve_probes(listener: TcpListener, shared: Shared) {
    let instead = |_: &Uri, why| match why {
        Unanswered::TooLate => StatusCode::REQUEST_TIMEOUT.into_response(),
        Unanswered::TooMuch => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let router = http::bounded(http::probe_routes().with_state(shared), instead);
    http::serve(listener, router, Places::new(Bounds::PROBES, &[]), std::future::pending()).await;
}

/// Keeps up with what other replicas are told of people. Whatever opens something looks by itself.
/// Whoever was told of a change closes what it takes away; where they died before they could, we do. Members and roles may also have
/// changed while nobody was there, so it begins at once. The same goes for a panic that was not come to the end of.
async fn catch_up(engine: Arc<Engine>) {
    let mut settled = None;
    loop {
        let seen = match engine.catch_up().await {
            Ok(version) if settled == Some(version) => Ok(version),
            Ok(version) => engine.revoke_what_is_not_given().await.map(|_| version),
            Err(error) => Err(error),
        };
        match seen {
            Ok(version) => settled = Some(version),
            Err(error) => tracing::warn!(error = ?error, "what other replicas know could not be acted on; trying again"),
        }
        match engine.finish_panics().await {
            Ok(0) => {}
            Ok(sessions) => tracing::warn!(sessions, "closed what was still open under a panic in force"),
            Err(error) => tracing::warn!(error = ?error, "what is open under a panic could not be closed; trying again"),
        }
        tokio::time::sleep(CATCH_UP).await;
    }
}

/// Resolves when the process is told to stop.
pub fn told_to_stop() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
