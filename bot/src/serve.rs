//! `entryguard serve`: builds everything, serves, and drains.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use entryguard_core::config::Settings;
use entryguard_core::engine::Engine;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::http::{self, Shared};
use crate::reload::Reload;
use crate::surfaces::{self, Apps};
use crate::telemetry;
use crate::webhook;
use crate::wiring::Wired;
use crate::workers;

/// How often to look what other replicas were told of people.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Serves until it is told to stop.
pub async fn run(config: &Path) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(config)?;
    let traces = telemetry::start_with_traces(settings.telemetry.as_ref())?;
    let served = serve(config, settings).await;
    traces.flush().await;
    served
}

async fn serve(config: &Path, settings: Settings) -> anyhow::Result<ExitCode> {
    let server = Arc::new(settings.server.clone());
    let mut wired = Wired::build(&settings.database, settings.directory.clone(), settings.later_reads.clone()).await?;
    if settings.github.as_ref().is_some_and(|github| github.login.is_some()) {
        wired.engine = Arc::new(Engine::clone(&wired.engine).with_logins());
    }
    if server.keeps_sign_ins() {
        wired.engine = Arc::new(Engine::clone(&wired.engine).with_pages(settings.web));
    }
    // Before the first request and before the first pass: what a crash left in flight is due.
    wired.reconciler.resume().await?;
    wired.engine.catch_up().await?;
    // Members and roles may have changed while nobody was there.
    let engine = Arc::clone(&wired.engine);
    tokio::spawn(async move {
        if let Err(error) = engine.revoke_what_is_not_given().await {
            tracing::error!(error = ?error, "what roles no longer give could not be taken back; the next start tries again");
        }
    });
    let (webhooks, told) = watch::channel(Arc::new(settings.webhooks.clone()));
    let reload = Reload::new(&wired, config.to_owned(), &settings, webhooks)?;
    let mut workers = workers::start(&wired, settings.sweep);
    workers.spawn(reload.run());
    workers.spawn(webhook::run(Arc::clone(&wired.engine), told));
    let Settings { slack, discord, github, oidc, api, shared_exits, .. } = settings;
    let apps = Apps { slack, discord, github, oidc, api, shared_exits };
    let router = surfaces::start(&wired, &server, apps, &mut workers).await?;
    workers.spawn(catch_up(Arc::clone(&wired.engine)));
    let listener = listen(server.listen).await?;
    if let Some(address) = server.metrics_listen {
        let shared = Shared { engine: Arc::clone(&wired.engine), server: Arc::clone(&server) };
        workers.spawn(serve_metrics(listen(address).await?, shared));
    }
    tracing::info!(listen = %server.listen, url = server.public_url, "serving");
    tokio::select! {
        served = http::serve(listener, router, told_to_stop()?) => served?,
        // They run for ever: one that ended has crashed, and a server that closes nothing any more must not look alive.
        ended = workers.join_next() => bail!("a worker has ended ({ended:?}); start again, which resumes what was in flight"),
    }
    // Openings stay as they are: sessions go on, and whoever starts next resumes what was in flight.
    workers.shutdown().await;
    wired.store.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Shows the numbers on an address of their own, for as long as the server runs.
async fn serve_metrics(listener: TcpListener, shared: Shared) {
    let router = http::metrics_routes().with_state(shared);
    if let Err(error) = http::serve(listener, router, std::future::pending()).await {
        tracing::error!(%error, "the numbers are not shown any more");
    }
}

/// Keeps up with what other replicas are told of people. Whatever opens something looks by itself.
/// Whoever was told of a change closes what it takes away; where they died before they could, we do.
async fn catch_up(engine: Arc<Engine>) {
    let mut settled = None;
    loop {
        tokio::time::sleep(CATCH_UP).await;
        let seen = match engine.catch_up().await {
            Ok(version) if settled == Some(version) => continue,
            Ok(version) => engine.revoke_what_is_not_given().await.map(|_| version),
            Err(error) => Err(error),
        };
        match seen {
            Ok(version) => settled = Some(version),
            Err(error) => tracing::warn!(error = ?error, "what other replicas know could not be acted on; trying again"),
        }
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
