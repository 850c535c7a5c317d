//! Who is gone, and who is back. On SQLite, which has one connection.

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;

use super::*;
use crate::domain::{Addresses, HostAddress, SessionId, Span, Surface, WebLimits};
use crate::engine::directories::Directories;
use crate::engine::testing::OnSqlite;
use crate::engine::{OfferRequest, StartRequest, Verdict, Which};

const CONFIG: &str = r#"
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/nowhere/intranet.allow"
[[member]]
name = "ana"
identities = ["slack:T/ANA", "discord:7/11"]
[[member]]
name = "bo"
identities = ["slack:T/BO", "discord:7/22"]
[[member]]
name = "cy"
identities = ["slack:T/CY", "oidc:id.example.com/cy"]
admin = true
[[role]]
name = "staff"
members = ["ana", "cy"]
resources = ["intranet"]
[[role]]
name = "asking"
members = ["bo"]
resources = ["intranet"]
approval = { by = ["ana"], within = "30m" }
"#;
/// Less than anybody waits for a connection.
const AT_ONCE: Duration = Duration::from_secs(10);
const NOT_THERE: &str = "not in the Discord server any more";

struct World {
    engine: Engine,
    on: OnSqlite,
}

impl World {
    async fn new() -> Self {
        let on = OnSqlite::with(CONFIG).await;
        Self { engine: on.engine.clone().with_pages(WebLimits::default()), on }
    }

    fn caller(&self, name: &str, surface: Surface) -> Caller {
        self.engine.caller(&identity(name), surface).unwrap()
    }

    /// Another replica, which has heard of nothing yet.
    fn replica(&self) -> Engine {
        Engine { directories: Arc::new(Directories::new(self.engine.configured())), ..self.engine.clone() }
    }

    async fn is_live(&self, session: &SessionId) -> bool {
        self.engine.view(session).await.unwrap().unwrap().status().is_live()
    }

    async fn start(&self, caller: &Caller) -> Result<SessionId, EngineError> {
        Ok(self.engine.start(caller, StartRequest::seen(None, home())).await?.view.session.id)
    }
}

fn identity(name: &str) -> Identity {
    name.parse().unwrap()
}

fn home() -> Addresses {
    Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap()
}

fn is_refused<T: std::fmt::Debug>(answer: Result<T, EngineError>) {
    assert!(matches!(answer, Err(EngineError::Departed { .. })), "{answer:?}");
}

#[tokio::test]
async fn two_who_hear_at_once_that_somebody_is_back_do_not_wait_for_each_other() {
    let World { engine, .. } = &World::new().await;
    let ana = identity("slack:T/ANA");
    engine.identity_left(&ana, Surface::Slack, "deactivated").await.unwrap();
    assert!(engine.known().departed.contains(&ana));
    let before = engine.before_asking(&ana);
    let both = async { tokio::join!(engine.identity_returned(&ana, before), engine.identity_returned(&ana, before)) };
    let (one, other) = tokio::time::timeout(AT_ONCE, both).await.expect("nobody holds the connection that they wait for");
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert!(engine.known().departed.is_empty());
}

#[tokio::test]
async fn i8_an_answer_that_is_older_than_the_word_that_an_account_is_gone_does_not_bring_it_back() {
    let World { engine, .. } = &World::new().await;
    let ana = identity("slack:T/ANA");
    let before = engine.before_asking(&ana);
    engine.identity_left(&ana, Surface::Slack, "deactivated").await.unwrap();
    engine.identity_returned(&ana, before).await.unwrap();
    assert!(engine.known().departed.contains(&ana));
    engine.identity_returned(&ana, engine.before_asking(&ana)).await.unwrap();
    assert!(engine.known().departed.is_empty());
}

#[tokio::test]
async fn i8_nobody_is_served_as_an_account_that_is_gone_whatever_else_its_member_is() {
    let world = World::new().await;
    let engine = &world.engine;
    let (gone, there) = (world.caller("discord:7/11", Surface::Discord), world.caller("slack:T/ANA", Surface::Slack));
    let code = engine.issue_join_code(&gone).await.unwrap().code;
    engine.identity_left(gone.identity(), Surface::Discord, NOT_THERE).await.unwrap();
    // They may have asked in the moment before, or in direct messages, where Discord is not asked each time.
    is_refused(engine.offer(&gone, OfferRequest::default()).await);
    is_refused(world.start(&gone).await);
    is_refused(engine.issue_sign_in(&gone).await);
    is_refused(engine.sign_in(&gone, "test").await);
    is_refused(engine.issue_join_code(&gone).await);
    assert!(matches!(engine.whose_join_code(&code).await, Err(EngineError::JoinCodeUnknown(_))));
    let id = world.start(&there).await.expect("they are what they are elsewhere");
    is_refused(engine.move_session(&gone, id.as_str(), home()).await);
    is_refused(engine.extend(&gone, &Which::TheOnly, None).await);
    assert_eq!(engine.stop(&gone, &Which::TheOnly).await.unwrap().len(), 1, "closing goes on");
    engine.identity_returned(gone.identity(), engine.before_asking(gone.identity())).await.unwrap();
    world.start(&gone).await.expect("whoever is back is served");
}

#[tokio::test]
async fn i8_a_link_is_worth_nothing_once_the_account_that_asked_for_it_is_gone() {
    let world = World::new().await;
    let engine = &world.engine;
    // Asked for on the pages, as somebody whom Discord has recognized.
    let gone = world.caller("discord:7/11", Surface::Web);
    let link = engine.offer(&gone, OfferRequest::default()).await.unwrap();
    engine.identity_left(gone.identity(), Surface::Discord, NOT_THERE).await.unwrap();
    is_refused(engine.look_at_offer(&link.token).await);
    is_refused(engine.confirm(&link.token, home()).await);
}

#[tokio::test]
async fn i8_an_approver_acting_as_an_account_that_is_gone_sees_no_request_and_refuses_one() {
    let world = World::new().await;
    let engine = &world.engine;
    let bos = world.start(&world.caller("slack:T/BO", Surface::Slack)).await.unwrap();
    let gone = world.caller("discord:7/11", Surface::Discord);
    assert_eq!(engine.requests_for(&gone).await.unwrap().len(), 1);
    engine.show(&gone, bos.as_str()).await.unwrap();
    engine.identity_left(gone.identity(), Surface::Discord, NOT_THERE).await.unwrap();
    assert_eq!(engine.requests_for(&gone).await.unwrap(), []);
    assert!(matches!(engine.show(&gone, bos.as_str()).await, Err(EngineError::SessionUnknown(_))));
    is_refused(engine.answer_request(&gone, &bos, Verdict::Approve).await);
    engine.answer_request(&gone, &bos, Verdict::Deny).await.expect("refusing is closing");
}

#[tokio::test]
async fn i8_an_administrator_who_is_gone_sees_nobody_elses_session_and_ends_any() {
    let world = World::new().await;
    let engine = &world.engine;
    let anas = world.start(&world.caller("slack:T/ANA", Surface::Slack)).await.unwrap();
    // Neither a key nor an issuer says that Slack has deactivated them.
    let cy = world.caller("oidc:id.example.com/cy", Surface::Web);
    let own = world.start(&cy).await.unwrap();
    engine.show(&cy, anas.as_str()).await.unwrap();
    engine.look_again(&cy, anas.as_str()).await.unwrap();
    engine.identity_left(&identity("slack:T/CY"), Surface::Slack, "deactivated").await.unwrap();
    for seen in [engine.show(&cy, anas.as_str()).await, engine.look_again(&cy, anas.as_str()).await] {
        assert!(matches!(seen, Err(EngineError::SessionUnknown(_))), "{seen:?}");
    }
    engine.look_again(&cy, own.as_str()).await.expect("their own they see");
    engine.stop(&cy, &Which::Named(anas.to_string())).await.expect("closing goes on");
}

#[tokio::test]
async fn i1_what_an_account_opened_or_moved_on_the_pages_ends_when_it_is_gone() {
    let world = World::new().await;
    let engine = &world.engine;
    let (gone, there) = (world.caller("discord:7/11", Surface::Web), world.caller("slack:T/ANA", Surface::Web));
    let opened = world.start(&gone).await.unwrap();
    let first = world.start(&there).await.unwrap();
    let moved = engine.move_session(&gone, first.as_str(), home()).await.unwrap().view.session.id;
    let elsewhere = world.start(&there).await.unwrap();
    assert_eq!(engine.identity_left(gone.identity(), Surface::Discord, NOT_THERE).await.unwrap(), 2);
    let live = [world.is_live(&opened).await, world.is_live(&moved).await, world.is_live(&elsewhere).await];
    assert_eq!(live, [false, false, true]);
}

#[tokio::test]
async fn whoever_is_looked_at_again_after_they_left_changes_nothing() {
    let world = World::new().await;
    let ana = identity("slack:T/ANA");
    world.engine.identity_left(&ana, Surface::Slack, "deactivated").await.unwrap();
    let version = world.engine.catch_up().await.unwrap();
    world.engine.identity_left(&ana, Surface::Slack, "deactivated").await.unwrap();
    assert_eq!(world.engine.catch_up().await.unwrap(), version, "no replica has to read it again");
}

#[tokio::test]
async fn i8_a_replica_that_has_not_heard_of_a_joining_notes_whose_departure_it_is() {
    let world = World::new().await;
    let (engine, behind, new) = (&world.engine, world.replica(), identity("discord:7/33"));
    let code = engine.issue_join_code(&world.caller("slack:T/ANA", Surface::Slack)).await.unwrap().code;
    engine.join(&new, Surface::Discord, &code).await.unwrap();
    let opened = world.start(&world.caller("discord:7/33", Surface::Discord)).await.unwrap();
    assert_eq!(behind.identity_left(&new, Surface::Discord, NOT_THERE).await.unwrap(), 1);
    assert!(!world.is_live(&opened).await);
}

#[tokio::test]
async fn i8_an_account_that_left_before_it_was_anybodys_joins_nobody() {
    let world = World::new().await;
    let (engine, new) = (&world.engine, identity("discord:7/33"));
    let code = engine.issue_join_code(&world.caller("slack:T/ANA", Surface::Slack)).await.unwrap().code;
    assert_eq!(engine.identity_left(&new, Surface::Discord, NOT_THERE).await.unwrap(), 0);
    is_refused(engine.join(&new, Surface::Discord, &code).await);
    engine.identity_returned(&new, engine.before_asking(&new)).await.unwrap();
    engine.join(&new, Surface::Discord, &code).await.expect("whoever is there joins");
}

#[tokio::test]
async fn a_session_or_browser_whose_member_cannot_be_read_hides_no_other() {
    let world = World::new().await;
    let engine = &world.engine;
    world.start(&world.caller("slack:T/BO", Surface::Slack)).await.unwrap();
    let unreadable = world.start(&world.caller("slack:T/BO", Surface::Slack)).await.unwrap();
    let database = AnyPoolOptions::new().max_connections(1).connect(&world.on.url).await.unwrap();
    let tampered = sqlx::query("UPDATE sessions SET member = 'no name!' WHERE id = $1").bind(unreadable.as_str());
    assert_eq!(tampered.execute(&database).await.unwrap().rows_affected(), 1);
    engine.sign_in(&world.caller("slack:T/ANA", Surface::Slack), "test").await.unwrap();
    let tampered = sqlx::query("UPDATE web_sessions SET identity = 'nobody'");
    assert_eq!(tampered.execute(&database).await.unwrap().rows_affected(), 1);
    let (changed, _) = engine.changed_since(0).await.unwrap();
    assert!(changed.iter().any(|member| member.as_str() == "bo"), "{changed:?}");
    assert_eq!(engine.requests_for(&world.caller("slack:T/ANA", Surface::Slack)).await.unwrap().len(), 1);
    assert!(engine.identities_with_sessions().await.unwrap().contains(&identity("slack:T/BO")));
}

#[tokio::test]
async fn a_link_that_nobody_used_is_forgotten_a_day_after_its_end() {
    let world = World::new().await;
    let engine = &world.engine;
    let link = engine.offer(&world.caller("slack:T/ANA", Surface::Slack), OfferRequest::default()).await.unwrap();
    world.on.clock.advance(Span::from_hours(24));
    engine.accept_once("a request").await.unwrap();
    assert!(matches!(engine.look_at_offer(&link.token).await, Err(EngineError::LinkExpired(_))));
    world.on.clock.advance(Span::from_minutes(11));
    engine.accept_once("another").await.unwrap();
    assert!(matches!(engine.look_at_offer(&link.token).await, Err(EngineError::LinkUnknown)));
}
