//! Signing in over days, on SQLite, by a clock of the test's.

use super::*;
use crate::engine::testing::OnSqlite;

const CONFIG: &str = r#"
[[member]]
name = "ana"
identities = ["slack:T/ANA"]
"#;

struct World {
    engine: Engine,
    on: OnSqlite,
}

impl World {
    async fn new() -> Self {
        let on = OnSqlite::with(CONFIG).await;
        Self { engine: on.engine.clone().with_pages(WebLimits::default()), on }
    }

    fn ana(&self) -> Caller {
        self.engine.caller(&"slack:T/ANA".parse().unwrap(), Surface::Slack).unwrap()
    }

    async fn cookie(&self) -> WebCookie {
        let link = self.engine.issue_sign_in(&self.ana()).await.unwrap();
        self.engine.sign_in_by_link(&link.token).await.unwrap().cookie
    }

    async fn is_over(&self, cookie: &WebCookie) -> bool {
        matches!(self.engine.visit(cookie).await, Err(EngineError::SignedOut))
    }
}

#[tokio::test]
async fn i8_a_link_works_for_ten_minutes_and_once() {
    let world = World::new().await;
    let link = world.engine.issue_sign_in(&world.ana()).await.unwrap();
    let other = world.engine.issue_sign_in(&world.ana()).await.unwrap();
    world.on.clock.advance(Span::from_minutes(9));
    assert_eq!(world.engine.look_at_sign_in(&link.token).await.unwrap().member.as_str(), "ana");
    world.engine.sign_in_by_link(&link.token).await.unwrap();
    assert!(matches!(world.engine.sign_in_by_link(&link.token).await, Err(EngineError::LinkUsed)));
    world.on.clock.advance(Span::from_minutes(1));
    assert!(matches!(world.engine.look_at_sign_in(&other.token).await, Err(EngineError::LinkExpired(_))));
    assert!(matches!(world.engine.sign_in_by_link(&other.token).await, Err(EngineError::LinkExpired(_))));
    assert!(matches!(world.engine.sign_in_by_link(&Token::from_request("00")).await, Err(EngineError::LinkUnknown)));
}

#[tokio::test]
async fn i8_whoever_comes_back_every_day_signs_in_once_a_week_and_whoever_stays_away_each_time() {
    let world = World::new().await;
    let (mut cookie, away) = (world.cookie().await, world.cookie().await);
    let began = world.engine.now();
    while world.engine.now().since(began) < Span::from_hours(7 * 24 - 7) {
        world.on.clock.advance(Span::from_hours(7));
        let visit = world.engine.visit(&cookie).await.unwrap();
        cookie = visit.renewed.expect("a new cookie after an hour");
    }
    assert!(world.is_over(&away).await);
    world.on.clock.advance(Span::from_hours(7));
    assert!(world.is_over(&cookie).await);
}

#[tokio::test]
async fn i8_a_lost_answer_signs_nobody_out_and_a_cookie_that_comes_back_late_signs_out_all() {
    let world = World::new().await;
    let old = world.cookie().await;
    world.on.clock.advance(Span::from_hours(1));
    let lost = world.engine.visit(&old).await.unwrap();
    let lost_cookie = lost.renewed.unwrap();
    assert!(world.engine.visit(&old).await.unwrap().renewed.is_none(), "what was under way at the same time");
    world.on.clock.advance(Span::from_minutes(1));
    let visit = world.engine.visit(&old).await.unwrap();
    let cookie = visit.renewed.expect("another one, because nobody has shown the first");
    assert_eq!((visit.browser, visit.caller.name().as_str()), (lost.browser, "ana"));
    world.engine.visit(&cookie).await.unwrap();
    world.engine.visit(&old).await.expect("for a minute more");
    assert!(world.is_over(&lost_cookie).await);
    assert!(world.is_over(&cookie).await, "somebody has a copy");
}

#[tokio::test]
async fn without_pages_nobody_signs_in() {
    let world = World::new().await;
    let engine = Engine { pages: None, ..world.engine.clone() };
    assert!(matches!(engine.issue_sign_in(&world.ana()).await, Err(EngineError::NoSignIn)));
    assert!(matches!(engine.sign_in(&world.ana(), "test").await, Err(EngineError::NoSignIn)));
    assert!(matches!(engine.visit(&world.cookie().await).await, Err(EngineError::NoSignIn)));
}

#[tokio::test]
async fn of_many_links_to_sign_in_the_newest_work_and_the_log_does_not_grow_with_the_others() {
    let world = World::new().await;
    let mut links = Vec::new();
    for _ in 0..MOST_LINKS + 5 {
        links.push(world.engine.issue_sign_in(&world.ana()).await.unwrap());
        world.on.clock.advance(Span::from_seconds(1));
    }
    for (number, link) in links.iter().enumerate() {
        let works = world.engine.look_at_sign_in(&link.token).await.is_ok();
        assert_eq!(works, number >= 5, "link {number}");
    }
    let log = world.engine.store.audit_page(world.engine.store.audit_range(None, None).await.unwrap(), 1_000).await.unwrap();
    let recorded = log.iter().filter(|entry| entry.action == AuditAction::WebLinkIssued.as_str()).count();
    assert_eq!(recorded, usize::try_from(MOST_LINKS).unwrap());
}
