//! Links of a member who asks for one after another: a bounded number of them works, and is kept.

use entryguard_core::domain::Span;
use entryguard_core::engine::{EngineError, Link, OfferRequest};

use crate::database::Kind;
use crate::world::World;

const ANA: usize = 0;
const BO: usize = 1;
/// As many as work at once, and some.
const MANY: usize = 25;
const WORKING: usize = 20;

async fn works(world: &World, link: &Link) -> bool {
    match world.process().engine.look_at_offer(&link.token).await {
        Ok(_) => true,
        Err(EngineError::LinkUnknown) => false,
        Err(error) => panic!("{error:?}"),
    }
}

async fn recorded(world: &World) -> usize {
    let store = &world.process().store;
    let range = store.audit_range(None, None).await.unwrap();
    store.audit_page(range, 10_000).await.unwrap().iter().filter(|entry| entry.action == "link.issued").count()
}

async fn the_newest_links_work(kind: Kind) {
    let world = World::new(kind, 7).await;
    let engine = &world.process().engine;
    let of_another = engine.offer(&world.caller(BO), OfferRequest::default()).await.unwrap();
    let mut links = Vec::new();
    for _ in 0..MANY {
        links.push(engine.offer(&world.caller(ANA), OfferRequest::default()).await.unwrap());
        world.clock.advance(Span::from_millis(10));
    }
    for (number, link) in links.iter().enumerate() {
        assert_eq!(works(&world, link).await, number >= MANY - WORKING, "link {number}");
    }
    assert!(works(&world, &of_another).await, "nobody takes another's");
    assert_eq!(recorded(&world).await, WORKING + 1);
    // Those that come at once, too.
    let ana = world.caller(ANA);
    let at_once = (0..MANY).map(|_| engine.offer(&ana, OfferRequest::default()));
    let at_once = futures_util::future::join_all(at_once).await;
    let mut working = 0;
    for link in links.iter().chain(at_once.iter().flatten()) {
        working += usize::from(works(&world, link).await);
    }
    assert_eq!((at_once.iter().flatten().count(), working), (MANY, WORKING));
    assert_eq!(recorded(&world).await, WORKING + 1);
    // What expired makes room, in the log as well.
    world.clock.advance(Span::from_minutes(11));
    let fresh = engine.offer(&ana, OfferRequest::default()).await.unwrap();
    assert!(works(&world, &fresh).await);
    assert_eq!(recorded(&world).await, WORKING + 2);
    world.database.drop_it().await;
}

#[tokio::test]
async fn the_newest_links_of_a_member_work_on_sqlite() {
    the_newest_links_work(Kind::Sqlite).await;
}

#[tokio::test]
async fn the_newest_links_of_a_member_work_on_postgres() {
    the_newest_links_work(Kind::Postgres).await;
}
