//! What a clock that goes back, or was ahead, does to what people and programs were given. On SQLite, by clocks of the test's;
//! `core/tests/engine/clocks.rs` has the sessions and their rules, on both databases.

use super::*;
use crate::domain::{Addresses, ApiKey, HostAddress, MemberName, Surface, WebLimits};
use crate::engine::testing::{OnSqlite, directory};
use crate::engine::{
    ApiKeyRefused, Caller, Engine, EngineError, KeyRequest, OfferRequest, OpeningsRefused, StartRequest, create_api_key,
};
use crate::random::SystemRandom;

const CONFIG: &str = r#"
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/nowhere/intranet.allow"
[[member]]
name = "ana"
admin = true
identities = ["slack:T/ANA"]
[[role]]
name = "staff"
members = ["ana"]
resources = ["intranet"]
remember_address = "8h"
"#;
const HOUR: Span = Span::from_hours(1);
/// Ten years.
const FAR: Span = Span::from_hours(24 * 3652);

struct World {
    engine: Engine,
    store: Store,
    on: OnSqlite,
}

impl World {
    async fn new() -> Self {
        let on = OnSqlite::with(CONFIG).await;
        let url = crate::store::StoreUrl::parse(&on.url).unwrap();
        // Beside the server, as the commands are.
        let store = Store::open_beside(&url, std::sync::Arc::clone(&on.clock) as _).await.unwrap();
        Self { engine: on.engine.clone().with_pages(WebLimits::default()), store, on }
    }

    fn ana(&self) -> Caller {
        self.engine.caller(&"slack:T/ANA".parse().unwrap(), Surface::Slack).unwrap()
    }

    async fn link(&self) -> crate::engine::Token {
        let request = OfferRequest { duration: None, reason: None, break_glass: false, place: None };
        self.engine.offer(&self.ana(), request).await.unwrap().token
    }

    async fn key(&self, life: Span) -> ApiKey {
        let member = MemberName::new("ana").unwrap();
        let scopes = "sessions:read".parse().unwrap();
        let request = KeyRequest { member, scopes, name: None, expires_in: Some(life) };
        create_api_key(&self.store, &directory(CONFIG), &request, "root", &SystemRandom).await.unwrap().0
    }

    async fn start(&self) -> Result<SessionId, EngineError> {
        let home = Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap();
        Ok(self.engine.start(&self.ana(), StartRequest::seen(None, home)).await?.view.session.id)
    }

    async fn live(&self) -> usize {
        clock_state(&self.store).await.unwrap().live_sessions
    }

    async fn accept(&self, end_sessions: bool) -> Result<AcceptedClock, ClockNotAccepted> {
        accept_clock(&self.store, end_sessions, &Actor::Operator("root".to_owned()), &SystemRandom).await
    }
}

#[tokio::test]
async fn i8_nothing_that_was_handed_out_lives_longer_because_the_clock_goes_back() {
    let world = World::new().await;
    let (link, key) = (world.link().await, world.key(HOUR).await);
    let sign_in = world.engine.issue_sign_in(&world.ana()).await.unwrap().token;
    let other = world.engine.issue_sign_in(&world.ana()).await.unwrap().token;
    let cookie = world.engine.sign_in_by_link(&other).await.unwrap().cookie;
    let code = world.engine.issue_join_code(&world.ana()).await.unwrap().code;
    let asked = world.engine.look_at_panic(&world.ana(), PanicScope::All).await.unwrap();
    assert!(world.engine.accept_once("1:signed").await.unwrap());

    world.on.clock.go_back(Span::from_hours(3));
    assert!(!world.engine.accept_once("1:signed").await.unwrap());
    world.on.clock.advance(Span::from_minutes(11));
    assert!(matches!(world.engine.look_at_offer(&link).await, Err(EngineError::LinkExpired(_))));
    assert!(matches!(world.engine.look_at_sign_in(&sign_in).await, Err(EngineError::LinkExpired(_))));
    assert!(matches!(world.engine.whose_join_code(&code).await, Err(EngineError::JoinCodeUnknown(_))));
    let late = world.engine.close_at_once(&world.ana(), &PanicScope::All, asked.asked_at).await;
    assert!(matches!(late, Err(EngineError::PanicAskedLongAgo { .. })), "{late:?}");
    world.on.clock.advance(Span::from_minutes(50));
    let key = world.engine.by_api_key(&key).await;
    assert!(matches!(key, Err(EngineError::ApiKey(ApiKeyRefused::Expired(_)))), "{key:?}");
    assert!(!world.engine.accept_once("1:signed").await.unwrap(), "it is remembered for two hours");
    world.on.clock.advance(Span::from_hours(7));
    assert!(matches!(world.engine.visit(&cookie).await, Err(EngineError::SignedOut)));
}

#[tokio::test]
async fn i1_a_clock_that_was_ahead_is_accepted_by_an_operator_and_nothing_lives_longer_by_it() {
    let world = World::new().await;
    let began = world.engine.now();
    let (link_before, key_before) = (world.link().await, world.key(HOUR).await);
    world.on.clock.jump_ahead(FAR);
    let session = world.start().await.unwrap();
    let (link, key) = (world.link().await, world.key(HOUR).await);
    let sign_in = world.engine.issue_sign_in(&world.ana()).await.unwrap().token;
    let cookie = world.engine.sign_in_by_link(&sign_in).await.unwrap().cookie;
    assert!(matches!(world.accept(true).await, Err(ClockNotAccepted::NotBehind)));

    world.on.clock.go_back(FAR);
    let refused = world.start().await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused(OpeningsRefused::Clock(_))), "{refused:?}");
    assert!(refused.to_string().contains("entryguard clock accept"), "{refused}");
    assert!(matches!(world.accept(false).await, Err(ClockNotAccepted::Live(1))));
    assert_eq!((world.live().await, world.engine.now()), (1, began.plus(FAR)), "it changed nothing");

    let accepted = world.accept(true).await.unwrap();
    assert_eq!(accepted, AcceptedClock { from: began.plus(FAR), to: began, sessions_ended: 1 });
    let audit = world.store.begin().await.unwrap().audit_of(&session).await.unwrap();
    assert!(audit.contains(&"session.stopped".to_owned()), "{audit:?}");
    assert!(matches!(world.engine.look_at_offer(&link).await, Err(EngineError::LinkExpired(_))));
    assert!(matches!(world.engine.look_at_offer(&link_before).await, Err(EngineError::LinkExpired(_))));
    assert!(matches!(world.engine.visit(&cookie).await, Err(EngineError::SignedOut)));
    assert!(world.engine.by_api_key(&key).await.is_ok() && world.engine.by_api_key(&key_before).await.is_ok());
    world.on.clock.advance(HOUR);
    for key in [key, key_before] {
        let key = world.engine.by_api_key(&key).await;
        assert!(matches!(key, Err(EngineError::ApiKey(ApiKeyRefused::Expired(_)))), "{key:?}");
    }
    assert_eq!((world.engine.now(), world.engine.refused()), (began.plus(HOUR), None), "a running server goes on from there");
    let session = world.start().await.unwrap();
    let view = world.store.begin().await.unwrap().session(&session).await.unwrap().unwrap();
    assert_eq!(view.session.expires_at, began.plus(HOUR).plus(HOUR));
    assert!(matches!(world.accept(true).await, Err(ClockNotAccepted::NotBehind)));
    assert_eq!(world.live().await, 1);
}

#[tokio::test]
async fn what_was_written_by_the_wrong_time_is_due_again_by_the_right_one() {
    let world = World::new().await;
    world.on.clock.jump_ahead(FAR);
    world.start().await.unwrap();
    world.on.clock.go_back(FAR);
    let to = world.accept(true).await.unwrap().to;
    let due = async || world.store.begin().await.unwrap().next_due().await.unwrap();
    assert!(due().await.is_some_and(|due| due <= to), "its rule is to be removed");
    // A pass that was under way writes down when to look again, by the time that it had begun with.
    world.store.begin().await.unwrap();
    let mut tx = world.store.begin().await.unwrap();
    tx.resume_in_flight().await.unwrap();
    let openings = tx.due_openings(&crate::domain::ResourceName::new("intranet").unwrap(), &[]).await.unwrap();
    let opening = openings[0].opening.id.clone();
    tx.mark_due(&opening, to.plus(FAR)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(due().await, Some(to.plus(FAR)));
    for _ in 0..40 {
        world.on.clock.advance(Span::from_seconds(1));
        world.store.keep_time().await.unwrap();
    }
    assert!(due().await.is_some_and(|due| due <= to.plus(Span::from_seconds(40))));
}
