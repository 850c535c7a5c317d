//! Who is gone, and who is back. On SQLite, which has one connection.

use std::time::Duration;

use super::*;
use crate::domain::{Addresses, HostAddress, SessionId, Surface, WebLimits};
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
    _on: OnSqlite,
}

impl World {
    async fn new() -> Self {
        let on = OnSqlite::with(CONFIG).await;
        Self { engine: on.engine.clone().with_pages(WebLimits::default()), _on: on }
    }

    fn caller(&self, name: &str, surface: Surface) -> Caller {
        self.engine.caller(&identity(name), surface).unwrap()
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
    let both = async { tokio::join!(engine.identity_returned(&ana), engine.identity_returned(&ana)) };
    let (one, other) = tokio::time::timeout(AT_ONCE, both).await.expect("nobody holds the connection that they wait for");
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
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
    engine.identity_returned(gone.identity()).await.unwrap();
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
