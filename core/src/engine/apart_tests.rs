//! What is to be closed is never a part of a list, and no row that cannot be read keeps it open. On SQLite, by a clock of the test's.

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Row};

use crate::domain::{Actor, Addresses, HostAddress, Identity, MemberName, PanicScope, ResourceName, Span, Surface, WebhookName};
use crate::engine::testing::{OnSqlite, directory};
use crate::engine::{Caller, StartRequest, Which, close_at_once};
use crate::random::SystemRandom;

const CONFIG: &str = r#"
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/nowhere/intranet.allow"
[[member]]
name = "ci"
identities = ["slack:T/CI"]
[[role]]
name = "jobs"
members = ["ci"]
resources = ["intranet"]
"#;
/// More than a list shows.
const MANY: usize = 101;

struct World {
    on: OnSqlite,
    caller: Caller,
    database: AnyPool,
}

fn ci() -> Identity {
    "slack:T/CI".parse().unwrap()
}

impl World {
    async fn with_sessions(sessions: usize) -> Self {
        let on = OnSqlite::with(CONFIG).await;
        let caller = on.engine.caller(&ci(), Surface::Slack).unwrap();
        let database = AnyPoolOptions::new().max_connections(1).connect(&on.url).await.unwrap();
        let home = Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap();
        for _ in 0..sessions {
            on.engine.start(&caller, StartRequest::seen(None, home)).await.unwrap();
        }
        Self { on, caller, database }
    }

    /// Two sessions, one of which makes no sense to anybody.
    async fn with_one_unreadable(column: &str) -> Self {
        let world = Self::with_sessions(2).await;
        let sql = match column {
            "surface" => "UPDATE sessions SET surface = 'NONSENSE' WHERE id = (SELECT MAX(id) FROM sessions)",
            "ipv4" => "UPDATE sessions SET ipv4 = 'nonsense' WHERE id = (SELECT MAX(id) FROM sessions)",
            "address" => "UPDATE session_rules SET address = 'nonsense' WHERE id = (SELECT MAX(id) FROM session_rules)",
            other => panic!("no such column: {other}"),
        };
        assert_eq!(sqlx::query(sql).execute(&world.database).await.unwrap().rows_affected(), 1);
        world
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query(sql).fetch_one(&self.database).await.unwrap().get(0)
    }

    async fn assert_nothing_is_wanted_open(&self, way: &str) {
        let wanted = "SELECT COUNT(*) FROM session_rules JOIN openings ON openings.id = session_rules.opening
             WHERE openings.state <> 'GONE' AND openings.closing = 0 AND session_rules.status NOT IN ('REMOVING', 'REMOVED')";
        assert_eq!(self.count(wanted).await, 0, "{way}: what is open is wanted by nobody");
        let aside = "SELECT (SELECT COUNT(*) FROM sessions WHERE quarantined_at IS NOT NULL)
                 + (SELECT COUNT(*) FROM session_rules WHERE quarantined_at IS NOT NULL)";
        assert_eq!(self.count(aside).await, 1, "{way}: what cannot be read is set aside");
    }

    async fn live(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await
    }
}

#[tokio::test]
async fn i1_whoever_has_more_sessions_than_a_list_shows_loses_all_of_them() {
    let world = World::with_sessions(MANY).await;
    let stopped = world.on.engine.stop(&world.caller, &Which::AllOwn).await.unwrap();
    assert_eq!((stopped.len(), world.live().await), (MANY, 0));
}

#[tokio::test]
async fn i2_a_row_that_cannot_be_read_stays_open_in_no_way_of_closing_and_keeps_no_other_open() {
    for column in ["ipv4", "surface", "address"] {
        for way in ["stop", "leave", "panic for everything", "panic for a member", "no member", "no role"] {
            let world = World::with_one_unreadable(column).await;
            close(&world, way).await;
            let way = format!("{way}, {column}");
            assert_eq!(world.live().await, 0, "{way}");
            world.assert_nothing_is_wanted_open(&way).await;
        }
        let world = World::with_one_unreadable(column).await;
        close(&world, "panic for a resource").await;
        world.assert_nothing_is_wanted_open(&format!("panic for a resource, {column}")).await;
    }
}

async fn close(world: &World, way: &str) {
    let World { on: OnSqlite { engine, .. }, caller, .. } = world;
    let panic =
        async |scope| close_at_once(&engine.store, &scope, &Actor::System, None, &SystemRandom).await.map(|_| ()).unwrap();
    let change_to = async |config: String| {
        engine.configure(directory(&config));
        engine.revoke_what_is_not_given().await.unwrap();
    };
    match way {
        "stop" => engine.stop(caller, &Which::AllOwn).await.map(|_| ()).unwrap(),
        "leave" => engine.identity_left(&ci(), Surface::Slack, "deactivated").await.map(|_| ()).unwrap(),
        "panic for everything" => panic(PanicScope::All).await,
        "panic for a member" => panic(PanicScope::Member(MemberName::new("ci").unwrap())).await,
        "panic for a resource" => panic(PanicScope::Resource(ResourceName::new("intranet").unwrap())).await,
        "no member" => change_to(CONFIG.replace("\"ci\"", "\"other\"")).await,
        "no role" => change_to(CONFIG.split("[[role]]").next().unwrap_or_default().to_owned()).await,
        other => panic!("no such way: {other}"),
    }
}

#[tokio::test]
async fn a_receiver_hears_how_a_session_ended_that_cannot_be_read_and_of_what_comes_after_it() {
    let (siem, hold) = (WebhookName::new("siem").unwrap(), Span::from_seconds(30));
    let world = World::with_sessions(0).await;
    let engine = &world.on.engine;
    engine.know_webhooks(&[(siem.clone(), "https://siem.example".to_owned())]).await.unwrap();
    let home = Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(engine.start(&world.caller, StartRequest::seen(None, home)).await.unwrap().view.session.id.to_string());
    }
    let tampered = sqlx::query("UPDATE sessions SET surface = 'NONSENSE' WHERE id = $1").bind(&ids[0]).execute(&world.database);
    tampered.await.unwrap();
    let mut told = Vec::new();
    while let Some(due) = engine.take_delivery(&siem, |_| true, hold).await.unwrap() {
        let number = ids.iter().position(|id| due.delivery.entry.session.as_ref() == Some(id)).unwrap();
        told.push((due.delivery.entry.action.clone(), number, due.view.is_some()));
        engine.delivered(&due.delivery).await.unwrap();
    }
    let of = |action: &str, number, can_be_read| (action.to_owned(), number, can_be_read);
    let all = [of("session.started", 0, false), of("session.started", 1, true), of("session.stopped", 0, false)];
    assert_eq!(told, all);
}
