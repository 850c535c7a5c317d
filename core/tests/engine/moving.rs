//! A session that moves with its member: the new address is let in, and the old one is not any more.

use entryguard_core::domain::{Addresses, HostAddress, SessionId, SessionStatus, Span, Surface};
use entryguard_core::engine::{EngineError, Moved};

use crate::database::Kind;
use crate::step::{CAFE, HOME, Step};
use crate::world::World;

const ANA: usize = 0;
const BO: usize = 1;
const ELSEWHERE: &str = "198.41.0.4";

impl World {
    async fn move_to(&self, member: usize, id: &SessionId, addresses: &[&str]) -> Result<Moved, EngineError> {
        let addresses: Vec<_> = addresses.iter().map(|text| HostAddress::parse(text).unwrap()).collect();
        let addresses = Addresses::new(&addresses).unwrap();
        self.process().engine.move_session(&self.caller(member), id.as_str(), addresses).await
    }

    fn let_in(&self, resource: &str) -> Vec<String> {
        self.rules(resource).iter().map(|rule| rule.source.addr().to_string()).collect()
    }
}

#[tokio::test]
async fn i1_a_moved_session_goes_on_from_the_new_address_alone_and_ends_when_it_would_have() {
    let mut world = World::new(Kind::Sqlite, 11).await;
    let old = world.try_to_start(ANA).await.unwrap();
    world.settle().await;
    let end = world.view(&old).await.session.expires_at;
    world.step(&Step::Wait(Span::from_minutes(10))).await;

    let moved = world.move_to(ANA, &old, &[ELSEWHERE]).await.unwrap();
    world.settle().await;
    let new = world.view(&moved.view.session.id).await;
    assert_eq!((new.status(), new.session.expires_at), (SessionStatus::Active, end));
    assert_eq!(world.view(&old).await.status(), SessionStatus::Cancelled);
    assert_eq!(world.let_in("bastion"), [ELSEWHERE]);
    assert!(world.audit_of(&old).await.contains(&"session.stopped".to_owned()));
    let told = world.audit_of(&new.session.id).await;
    assert_eq!(told[..2], ["session.started", "session.moved"]);
}

#[tokio::test]
async fn i2_an_address_that_stays_is_never_shut_out_by_a_move() {
    let mut world = World::new(Kind::Sqlite, 12).await;
    let addresses = [HOME, CAFE].map(|text| HostAddress::parse(text).unwrap());
    let both = entryguard_core::engine::StartRequest::seen(Some(Span::from_hours(1)), Addresses::new(&addresses).unwrap());
    let old = world.process().engine.start(&world.caller(ANA), both).await.unwrap().view.session.id;
    world.settle().await;
    let before = world.rules("bastion").into_iter().find(|rule| rule.source.addr().is_ipv6()).unwrap();

    world.move_to(ANA, &old, &[ELSEWHERE, CAFE]).await.unwrap();
    world.settle().await;
    let after = world.rules("bastion").into_iter().find(|rule| rule.source.addr().is_ipv6()).unwrap();
    assert_eq!(before.id, after.id);
    let mut let_in = world.let_in("bastion");
    let_in.sort();
    assert_eq!(let_in, [ELSEWHERE, CAFE]);
}

#[tokio::test]
async fn where_the_new_session_cannot_start_the_old_one_goes_on() {
    let mut world = World::new(Kind::Sqlite, 13).await;
    let old = world.try_to_start(ANA).await.unwrap();
    world.settle().await;
    let refused = world.move_to(ANA, &old, &["10.0.0.1"]).await.unwrap_err();
    assert!(matches!(refused, EngineError::Address(_)), "{refused:?}");
    assert_eq!(world.view(&old).await.status(), SessionStatus::Active);
    assert_eq!(world.views().await.len(), 1);
}

#[tokio::test]
async fn i8_nobody_moves_what_is_somebody_elses_and_nothing_that_is_over() {
    let mut world = World::new(Kind::Sqlite, 14).await;
    let old = world.try_to_start(ANA).await.unwrap();
    world.settle().await;
    assert!(matches!(world.move_to(BO, &old, &[ELSEWHERE]).await, Err(EngineError::SessionUnknown(_))));
    world.stop(ANA, &old).await;
    assert!(matches!(world.move_to(ANA, &old, &[ELSEWHERE]).await, Err(EngineError::Over { .. })));
}

#[tokio::test]
async fn a_session_of_a_schedule_stays_where_the_configuration_says() {
    let mut world = World::new(Kind::Sqlite, 15).await;
    let office = Addresses::new(&[HostAddress::parse(HOME).unwrap()]).unwrap();
    let request = entryguard_core::engine::StartRequest::seen(Some(Span::from_hours(1)), office);
    let identity = world.caller(ANA).identity().clone();
    let scheduled = world.process().engine.caller(&identity, Surface::Schedule).unwrap();
    let id = world.process().engine.start(&scheduled, request).await.unwrap().view.session.id;
    world.settle().await;
    assert!(matches!(world.move_to(ANA, &id, &[ELSEWHERE]).await, Err(EngineError::ScheduledStays { .. })));
    assert_eq!(world.let_in("bastion"), [HOME]);
}
