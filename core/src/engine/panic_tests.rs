//! One session that cannot be closed keeps nothing else open, and what two close at once is told once. On SQLite;
//! `tests/it/emergency.rs` has the rest on both databases.

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Row};

use super::*;
use crate::domain::{Addresses, Identity, Surface};
use crate::engine::StartRequest;
use crate::engine::testing::OnSqlite;
use crate::random::SystemRandom;

const CONFIG: &str = r#"
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/nowhere/intranet.allow"
[[resource]]
name = "wiki"
provider = "file"
type = "allowlist"
id = "/nowhere/wiki.allow"
[[member]]
name = "ana"
identities = ["slack:T/ANA"]
[[member]]
name = "bo"
identities = ["slack:T/BO"]
[[role]]
name = "staff"
members = ["ana", "bo"]
resources = ["intranet", "wiki"]
"#;

struct World {
    on: OnSqlite,
    database: AnyPool,
}

impl World {
    async fn new() -> Self {
        let on = OnSqlite::with(CONFIG).await;
        let database = AnyPoolOptions::new().max_connections(1).connect(&on.url).await.unwrap();
        Self { on, database }
    }

    async fn starts(&self, identity: &str) -> SessionId {
        let identity: Identity = identity.parse().unwrap();
        let caller = self.on.engine.caller(&identity, Surface::Slack).unwrap();
        let home = Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap();
        self.on.engine.start(&caller, StartRequest::seen(None, home)).await.unwrap().view.session.id
    }

    /// From now on the database refuses to end this session.
    async fn cannot_end(&self, id: &SessionId) {
        let sql = format!(
            "CREATE TRIGGER stuck BEFORE UPDATE ON sessions WHEN NEW.id = '{id}' AND NEW.ended_at IS NOT NULL
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.database).await.unwrap();
    }

    /// Somebody closed this, and died before anything was.
    async fn panic(&self, scope: PanicScope) -> Panic {
        let mut tx = self.on.engine.store.begin().await.unwrap();
        let at = tx.now();
        let panic = Panic { id: PanicId::new(at, &SystemRandom), scope, reason: None, at, by: "bo".to_owned() };
        tx.insert_panic(&panic).await.unwrap();
        tx.commit().await.unwrap();
        panic
    }

    async fn live(&self) -> Vec<String> {
        let rows = sqlx::query("SELECT id FROM sessions WHERE ended_at IS NULL").fetch_all(&self.database).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query(sql).fetch_one(&self.database).await.unwrap().get(0)
    }
}

fn member(name: &str) -> PanicScope {
    PanicScope::Member(MemberName::new(name).unwrap())
}

#[tokio::test]
async fn an_operators_reason_is_one_line_of_what_is_seen() {
    let world = World::new().await;
    let store = &world.on.engine.store;
    let close = async |scope: PanicScope, reason: &str| {
        close_at_once(store, &scope, &Actor::System, Some(reason.to_owned()), &SystemRandom).await.unwrap();
    };
    close(PanicScope::All, "x\u{1b}[31m\neverything closed by root\u{202e}\u{200b}").await;
    close(member("bo"), "\u{200b}\n").await;
    let reasons: BTreeSet<_> = panics_in_force(store).await.unwrap().into_iter().map(|panic| panic.reason).collect();
    assert_eq!(reasons, BTreeSet::from([None, Some("x everything closed by root".to_owned())]));
}

#[tokio::test]
async fn i1_a_session_that_cannot_be_closed_keeps_none_of_its_batch_open() {
    let world = World::new().await;
    let mut all = Vec::new();
    for identity in ["slack:T/ANA", "slack:T/BO", "slack:T/ANA"] {
        all.push(world.starts(identity).await);
    }
    world.cannot_end(&all[1]).await;
    let closed = close_at_once(&world.on.engine.store, &PanicScope::All, &Actor::System, None, &SystemRandom).await.unwrap();
    assert_eq!(world.live().await, [all[1].to_string()]);
    let told: BTreeSet<_> = closed.sessions.iter().collect();
    assert!(told == BTreeSet::from([&all[0], &all[2]]) && closed.unfinished.is_some(), "{closed:?}");
}

#[tokio::test]
async fn i1_a_panic_that_cannot_be_finished_keeps_no_later_one_open() {
    let world = World::new().await;
    let stuck = world.starts("slack:T/ANA").await;
    world.starts("slack:T/BO").await;
    world.cannot_end(&stuck).await;
    world.panic(member("ana")).await;
    world.on.clock.advance(crate::domain::Span::from_seconds(1));
    world.panic(member("bo")).await;
    let finished = finish_panics(&world.on.engine.store, &SystemRandom).await;
    assert!(finished.is_err(), "it is told, and tried again");
    assert_eq!(world.live().await, [stuck.to_string()]);
}

#[tokio::test]
async fn i5_what_two_replicas_take_away_at_once_is_told_once() {
    let world = World::new().await;
    let id = world.starts("slack:T/ANA").await;
    let panic = world.panic(PanicScope::Resource(ResourceName::new("wiki").unwrap())).await;
    let store = &world.on.engine.store;
    let mut closed = Vec::new();
    for _ in 0..2 {
        // The second found it before the first had the locks.
        let tx = store.begin().await.unwrap();
        let ids = std::slice::from_ref(&id);
        closed.push(close_these(tx, &panic, ids, &Actor::System, &SystemRandom).await.unwrap().unwrap());
    }
    assert_eq!(closed, [vec![id], vec![]]);
    assert_eq!(world.count("SELECT COUNT(*) FROM audit_events WHERE action = 'session.narrowed'").await, 1);
    assert_eq!(world.live().await.len(), 1, "it goes on with its other resource");
}
