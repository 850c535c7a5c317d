//! What becomes of a team's role while GitHub is silent. The clock is the test's.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use axum::extract::{Path as InPath, State};
use axum::routing::get;
use axum::{Json, Router};
use entryguard_core::clock::{Clock, Monotonic};
use entryguard_core::config::Settings;
use entryguard_core::random::SystemRandom;
use entryguard_core::reconcile::Nudges;
use entryguard_core::store::{Store, StoreUrl};
use http::StatusCode;
use serde_json::{Value, json};

use super::*;

const CONFIG: &str = r#"
[organization]
name = "Acme"
tier = "team"
[[tier]]
name = "team"
durations = ["1h"]
default_duration = "1h"
max_duration = "24h"
max_sessions_per_member = 2
[github]
audience = "https://guard.example.com"
token = { env = "TOKEN" }
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/nowhere/intranet.allow"
format = "plain"
[[member]]
name = "ana"
identities = ["github-user:583231"]
[[role]]
name = "on-call"
members = []
resources = ["intranet"]
identities = ["github-team:acme/on-call"]
"#;
const ANA: Identity = Identity::GithubUser(583_231);

#[derive(Debug)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct World {
    engine: Arc<Engine>,
    hands: Arc<Hands>,
    github: GithubSettings,
    away: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let away = Arc::new(AtomicBool::new(false));
        let github = GithubSettings {
            oidc_issuer: String::new(),
            audience: String::new(),
            api_url: serve(Arc::clone(&away)).await,
            token: Some("token".into()),
            webhook_secret: None,
            login: None,
        };
        let hands = Arc::new(Hands(AtomicI64::new(1_800_000_000_000)));
        let clock: Arc<dyn Clock> = Arc::clone(&hands) as Arc<dyn Clock>;
        let directory = Settings::parse(CONFIG, Path::new("test"), &|_| Some("token".to_owned())).unwrap().directory;
        let url = StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap();
        let (store, _) = Store::open_for(&url, &directory, Arc::clone(&clock), &SystemRandom).await.unwrap();
        let nudges = Arc::new(Nudges::default());
        let engine = Engine::new(Arc::new(store), Arc::new(directory), clock, Arc::new(SystemRandom), nudges, Arc::default());
        Self { engine: Arc::new(engine), hands, github, away, _folder: folder }
    }

    /// A server that has just begun.
    fn teams(&self) -> Teams {
        Teams::new(Arc::clone(&self.engine), &self.github).unwrap().unwrap()
    }

    fn advance(&self, by: Span) {
        self.hands.0.fetch_add(by.as_millis(), Ordering::SeqCst);
    }

    fn is_on_call(&self) -> bool {
        self.engine.role_holders().contains(&ANA)
    }
}

async fn serve(away: Arc<AtomicBool>) -> String {
    async fn answer(away: &AtomicBool, body: Value) -> Result<Json<Value>, StatusCode> {
        if away.load(Ordering::SeqCst) { Err(StatusCode::SERVICE_UNAVAILABLE) } else { Ok(Json(body)) }
    }
    type Away = State<Arc<AtomicBool>>;
    let user = async |State(away): Away, InPath(id): InPath<u64>| answer(&away, json!({ "id": id, "login": "ana" })).await;
    let membership = async |State(away): Away| answer(&away, json!({ "state": "active" })).await;
    let router = Router::new()
        .route("/user/{id}", get(user))
        .route("/orgs/acme/teams/on-call/memberships/ana", get(membership))
        .with_state(away);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn while_github_is_silent_its_last_word_holds_for_fifteen_minutes() {
    let world = World::new().await;
    let teams = world.teams();
    teams.look().await.unwrap();
    assert!(world.is_on_call());
    world.away.store(true, Ordering::SeqCst);
    world.advance(Span::from_minutes(14));
    teams.look().await.unwrap();
    teams.expire().await.unwrap();
    assert!(world.is_on_call(), "a short silence costs nobody anything");
    world.advance(Span::from_minutes(1));
    teams.look().await.unwrap();
    assert!(!world.is_on_call());
    world.away.store(false, Ordering::SeqCst);
    teams.look().await.unwrap();
    assert!(world.is_on_call());
}

#[tokio::test]
async fn a_word_grows_old_also_where_nobody_comes_to_ask() {
    let world = World::new().await;
    let teams = world.teams();
    teams.look().await.unwrap();
    world.advance(Span::from_minutes(14));
    teams.expire().await.unwrap();
    assert!(world.is_on_call());
    world.advance(Span::from_minutes(1));
    teams.expire().await.unwrap();
    assert!(!world.is_on_call());
}

#[tokio::test]
async fn what_github_said_before_a_restart_is_asked_again_and_silence_gives_nothing() {
    let world = World::new().await;
    world.teams().look().await.unwrap();
    world.away.store(true, Ordering::SeqCst);
    let restarted = world.teams();
    restarted.expire().await.unwrap();
    assert!(world.is_on_call(), "nobody was asked yet");
    restarted.look().await.unwrap();
    assert!(!world.is_on_call());

    world.away.store(false, Ordering::SeqCst);
    world.teams().look().await.unwrap();
    let restarted = world.teams();
    world.advance(STALE);
    restarted.expire().await.unwrap();
    assert!(!world.is_on_call(), "the asking has come to nobody since the restart");
}
