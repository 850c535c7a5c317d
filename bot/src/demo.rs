//! `entryguard demo`: the whole product on one machine, with nothing to configure and nothing left behind.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use entryguard_core::config::Settings;
use entryguard_core::domain::{ApiKey, Directory, MemberName, Scopes};
use entryguard_core::engine::{KeyRequest, create_api_key};
use entryguard_core::provider::Verify;
use entryguard_core::random::SystemRandom;
use entryguard_core::store::Store;
use tokio::net::TcpListener;

use crate::api::{self, ApiState};
use crate::cli::DemoOptions;
use crate::http::{self, Bounds, Places, Shared};
use crate::serve::told_to_stop;
use crate::surfaces;
use crate::web::demo::{self, GuardFile};
use crate::web::seen::SealKey;
use crate::web::visitor::{FormKey, Recognition, WebState};
use crate::web::{member_routes, not_like_this, nothing_here};
use crate::wiring::Wired;
use crate::workers;

/// The port that a newcomer expects.
const PORT: u16 = 8080;
/// Whoever sits at the machine.
const ADMINISTRATOR: &str = "you";

/// Runs the demo until it is told to stop.
pub async fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    let listener = listen(options.listen)?;
    let address = listener.local_addr()?;
    let folder = tempfile::Builder::new().prefix("entryguard-demo-").tempdir().context("cannot make a temporary folder")?;
    let guard = folder.path().join("guarded.allow");
    std::fs::write(&guard, "").context("cannot write to the temporary folder")?;
    let settings = settings(folder.path(), &guard, address)?;
    let wired = Wired::build(&settings.database, settings.directory, settings.later_reads).await?;
    let shared = Shared::new(&wired.engine, &Arc::new(settings.server));
    let recognition = Recognition::ThisMachine(FormKey::new(&SystemRandom));
    let state = WebState {
        shared: shared.clone(),
        recognition,
        seal_key: SealKey::new(&SystemRandom),
        shared_exits: settings.shared_exits.into(),
        verify: Arc::clone(&wired.reconciler) as Arc<dyn Verify>,
    };
    let pages = member_routes().merge(demo::routes(GuardFile(Arc::new(guard))));
    let pages = pages.method_not_allowed_fallback(not_like_this).with_state(state);
    let api = api::routes(ApiState::new(shared.clone(), settings.api, None));
    let server = Arc::clone(&shared.server);
    let router = http::base_routes(&server).with_state(shared).merge(pages).merge(api);
    let router = http::observed(router.fallback(nothing_here), &server, surfaces::unanswered);
    let mut workers = workers::start(&wired, settings.sweep);
    let key = key_for_the_terminal(&wired.store, &wired.engine.directory()).await?;
    greet(address, &key);
    http::serve(listener, router, Places::new(Bounds::PUBLIC, &[]), told_to_stop()?).await;
    workers.shutdown().await;
    wired.store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn listen(wanted: Option<SocketAddr>) -> anyhow::Result<TcpListener> {
    if let Some(address) = wanted {
        // Whoever reaches the demo is its administrator.
        ensure!(address.ip().is_loopback(), "the demo listens on this machine alone: give --listen a loopback address");
        return http::listen(address).with_context(|| format!("cannot listen on {address}; choose another with --listen"));
    }
    let on_port = |port| http::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    on_port(PORT).or_else(|_| on_port(0)).context("no port is free")
}

/// The demo's configuration, through the same door as every other.
fn settings(folder: &Path, guard: &Path, address: SocketAddr) -> anyhow::Result<Settings> {
    let database = folder.join("demo.db");
    let text = format!(
        r#"
[server]
listen = "{address}"
[database]
url = "sqlite://{database}"
[organization]
name = "Demo"
tier = "demo"
[[tier]]
name = "demo"
durations = ["1m", "5m", "1h", "2h", "4h", "8h"]
default_duration = "5m"
max_duration = "8h"
[[resource]]
name = "guarded-page"
provider = "file"
type = "allowlist"
id = "{guard}"
format = "plain"
private_network = true
[[member]]
name = "{ADMINISTRATOR}"
admin = true
identities = ["local:demo"]
[[role]]
name = "everyone"
members = ["{ADMINISTRATOR}"]
resources = ["guarded-page"]
"#,
        database = database.display(),
        guard = guard.display(),
    );
    Ok(Settings::parse(&text, Path::new("the demo's configuration"), &|_| None)?)
}

/// A key of the administrator's, for the command line: as short-lived as everything here.
async fn key_for_the_terminal(store: &Store, directory: &Directory) -> anyhow::Result<ApiKey> {
    let request = KeyRequest { member: MemberName::new(ADMINISTRATOR)?, scopes: Scopes::all(), name: None, expires_in: None };
    let (key, _) = create_api_key(store, directory, &request, "the demo", &SystemRandom).await?;
    Ok(key)
}

fn greet(address: SocketAddr, key: &ApiKey) {
    use std::io::Write;
    let key = key.expose();
    let greeting = format!(
        "EntryGuard demo: open http://{address} in a browser, and press Start Session.\n\
         A page of its own is guarded by an allowlist file. Try this before, during and after a session:\n\n    \
         curl -i http://{address}/guarded\n\n\
         At a terminal the same takes a key, which is good until the demo ends:\n\n    \
         export ENTRYGUARD_URL=http://{address} ENTRYGUARD_API_KEY={key}\n    \
         entryguard start 5m --wait\n\n\
         Everything is temporary: Ctrl-C stops the demo and leaves nothing behind.\n"
    );
    // Whoever does not read on, as `| head -1` does not, still wants the demo.
    let _ = std::io::stdout().write_all(greeting.as_bytes());
}
