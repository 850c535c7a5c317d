//! A resource that refuses additions is asked from time to time, however many wait for it; and what waits is served, the oldest first.

use std::net::Ipv4Addr;

use entryguard_core::domain::{
    AddressFamily, Addresses, BlockCause, HostAddress, ResourceName, RuleStatus, SessionId, SessionStatus, Span, Timestamp,
};
use entryguard_core::engine::{StartRequest, Which};
use entryguard_core::provider::Fault;
use entryguard_core::store::SessionView;

use crate::database::Kind;
use crate::step::{Step, Work};
use crate::world::World;

/// May reach the bastion alone.
const CY: usize = 2;
const BASTION: &str = "bastion";
/// Rules that the bastion holds.
const ROOM: usize = 5;
/// Sessions that want to be on it.
const MANY: usize = 30;

fn bastion() -> ResourceName {
    ResourceName::new(BASTION).unwrap()
}

fn address(number: usize) -> String {
    Ipv4Addr::from(0x5DB8_D800 + u32::try_from(number).unwrap()).to_string()
}

impl World {
    /// Passes until there is nothing to do now.
    async fn pass_now(&mut self) {
        while self.work(Work::Pass, &entryguard_core::crash::Watch::only()).await.unwrap() {}
    }

    /// The same whenever something is due, for so long.
    async fn pass_for(&mut self, span: Span) {
        let end = self.now().plus(span);
        self.pass_now().await;
        while self.now() < end {
            let next = self.process().store.begin().await.unwrap().next_due_later().await.unwrap();
            let next = next
                .unwrap_or(end)
                .clamp(self.now().plus(Span::from_seconds(1)), end.max(self.now().plus(Span::from_seconds(1))));
            self.clock.advance(next.since(self.now()));
            self.pass_now().await;
        }
    }

    async fn start_many(&mut self, many: usize, hours: i64) -> Vec<SessionId> {
        let mut ids = Vec::with_capacity(many);
        for number in 0..many {
            self.clock.advance(Span::from_millis(10));
            ids.push(self.start_at(&[&address(number)], hours).await.session.id);
        }
        ids
    }

    async fn start_at(&self, addresses: &[&str], hours: i64) -> SessionView {
        let addresses: Vec<_> = addresses.iter().map(|text| HostAddress::parse(text).unwrap()).collect();
        let request = StartRequest::seen(Some(Span::from_hours(hours)), Addresses::new(&addresses).unwrap());
        self.process().engine.start(&self.caller(CY), request).await.unwrap().view
    }

    async fn open_ones(&self, ids: &[SessionId]) -> Vec<usize> {
        let mut open = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            if self.view(id).await.status() == SessionStatus::Active {
                open.push(number);
            }
        }
        open
    }

    fn calls_since(&self, since: usize) -> usize {
        self.cloud.calls().len() - since
    }

    async fn waiting(&self) -> u64 {
        let blocked = self.process().engine.blocked_grants().await.unwrap();
        blocked.iter().map(|blocked| blocked.waiting).sum()
    }

    async fn probe_at(&self) -> Timestamp {
        self.process().engine.blocked_grants().await.unwrap()[0].block.probe_at
    }
}

/// A world in which the bastion is full, and more want to be on it.
async fn full(kind: Kind) -> (World, Vec<SessionId>) {
    let mut world = World::new(kind, 7).await;
    world.cloud.quota(&bastion(), ROOM);
    let ids = world.start_many(MANY, 8).await;
    world.pass_now().await;
    assert_eq!(world.open_ones(&ids).await, (0..ROOM).collect::<Vec<_>>(), "as many as there is room for, the oldest first");
    assert_eq!(world.waiting().await, u64::try_from(MANY - ROOM).unwrap());
    (world, ids)
}

async fn a_full_resource_is_asked_now_and_then(kind: Kind) {
    let (mut world, ids) = full(kind).await;
    assert!(world.calls_since(0) < 40, "how many fit is found in a few tries: {}", world.calls_since(0));
    for id in &ids[ROOM..] {
        let view = world.view(id).await;
        assert_eq!((view.status(), view.rules[0].waits_for), (SessionStatus::Failed, Some(BlockCause::Quota)));
        assert!(view.rules[0].error.as_deref().unwrap().contains("rules per list is reached"), "{view:?}");
        let failed = world.audit_of(id).await.into_iter().filter(|action| action == "rule.failed").count();
        assert_eq!(failed, 1, "it is said once");
    }
    let before = world.cloud.calls().len();
    world.pass_for(Span::from_minutes(60)).await;
    let calls = world.calls_since(before);
    assert!((2..=2 * 60 / 2).contains(&calls), "{calls} calls in an hour, with {} that wait", world.waiting().await);
    for id in &ids[ROOM..] {
        let told = world.audit_of(id).await.into_iter().filter(|action| action.starts_with("rule.")).count();
        assert_eq!(told, 1, "nothing is said again");
    }
    world.database.drop_it().await;
}

#[tokio::test]
async fn a_full_resource_is_asked_twice_a_minute_at_the_most_on_sqlite() {
    a_full_resource_is_asked_now_and_then(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_full_resource_is_asked_twice_a_minute_at_the_most_on_postgres() {
    a_full_resource_is_asked_now_and_then(Kind::Postgres).await;
}

async fn room_is_given_to_the_oldest_at_once(kind: Kind) {
    let (mut world, ids) = full(kind).await;
    let before = world.cloud.calls().len();
    world.stop(CY, &ids[1]).await;
    world.stop(CY, &ids[3]).await;
    world.pass_now().await;
    assert_eq!(world.open_ones(&ids).await, [0, 2, 4, 5, 6], "no time has passed");
    assert_eq!(world.rules(BASTION).len(), ROOM);
    assert!(world.calls_since(before) <= 6, "two removals, one addition, and a look after each: {}", world.calls_since(before));
    // The quota was raised, and nobody tells us.
    world.cloud.quota(&bastion(), 20);
    world.pass_for(Span::from_minutes(7)).await;
    assert_eq!(world.rules(BASTION).len(), 20);
    world.cloud.quota(&bastion(), 1000);
    world.pass_for(Span::from_minutes(7)).await;
    assert_eq!((world.open_ones(&ids).await.len(), world.waiting().await), (MANY - 2, 0), "nothing is forgotten");
    assert_eq!(world.process().engine.blocked_grants().await.unwrap(), []);
    world.database.drop_it().await;
}

#[tokio::test]
async fn room_is_given_to_the_oldest_at_once_on_sqlite() {
    room_is_given_to_the_oldest_at_once(Kind::Sqlite).await;
}

#[tokio::test]
async fn room_is_given_to_the_oldest_at_once_on_postgres() {
    room_is_given_to_the_oldest_at_once(Kind::Postgres).await;
}

#[tokio::test]
async fn room_that_somebody_made_by_hand_is_seen_by_the_sweep_and_used_at_once() {
    let mut world = World::new(Kind::Sqlite, 7).await;
    for number in 0..ROOM {
        world.cloud.add_by_hand(&bastion(), format!("198.41.0.{number}/32").parse().unwrap(), "tcp 22");
    }
    world.cloud.quota(&bastion(), ROOM);
    let ids = world.start_many(MANY, 8).await;
    world.pass_now().await;
    assert_eq!(world.open_ones(&ids).await, [0_usize; 0]);
    for rule in world.rules(BASTION).into_iter().take(2) {
        world.cloud.delete_by_hand(&bastion(), &rule.id);
    }
    world.pass_now().await;
    assert_eq!(world.open_ones(&ids).await, [0_usize; 0], "nobody has looked");
    world.step(&Step::Do(Work::Sweep)).await;
    world.pass_now().await;
    assert_eq!(world.open_ones(&ids).await, [0, 1]);
}

#[tokio::test]
async fn a_new_session_on_a_full_resource_says_so_at_once_and_without_a_call() {
    let (world, _) = full(Kind::Sqlite).await;
    let before = world.cloud.calls().len();
    let view = world.start_at(&[&address(200)], 1).await;
    assert_eq!((view.status(), view.rules[0].status), (SessionStatus::Failed, RuleStatus::Failed));
    assert_eq!(world.calls_since(before), 0);
    insta::assert_snapshot!(view.rules[0].error.as_deref().unwrap(), @"rules per list is reached on changing the list; remove rules that nobody needs, or ask the provider for more");
    assert_eq!(world.audit_of(&view.session.id).await, ["session.started", "rule.failed", "session.failed"]);
}

#[tokio::test]
async fn each_family_has_a_quota_of_its_own() {
    let (mut world, _) = full(Kind::Sqlite).await;
    let both = world.start_at(&[&address(200), "2606:2800:220:1::7"], 1).await.session.id;
    world.pass_now().await;
    let view = world.view(&both).await;
    let shown: Vec<_> = view.rules.iter().map(|rule| (AddressFamily::of(rule.address), rule.status)).collect();
    assert!(shown.contains(&(AddressFamily::V6, RuleStatus::Applied)), "{shown:?}");
    assert!(shown.contains(&(AddressFamily::V4, RuleStatus::Failed)), "{shown:?}");
}

#[tokio::test]
async fn what_waits_ends_without_a_call_and_what_is_open_is_extended_and_removed_as_ever() {
    let (mut world, ids) = full(Kind::Sqlite).await;
    let before = world.cloud.calls().len();
    let mut never_tried = Vec::new();
    for number in 100..110 {
        never_tried.push(world.start_at(&[&address(number)], 1).await.session.id);
    }
    for id in &never_tried {
        world.stop(CY, id).await;
    }
    world.pass_now().await;
    for id in &never_tried {
        assert_eq!(world.view(id).await.status(), SessionStatus::Cancelled);
    }
    assert_eq!(world.calls_since(before), 0);
    let which = Which::Named(ids[0].to_string());
    let probe_at = world.probe_at().await;
    // Eight hours is as long as it may be: ask for less first.
    let short = world.start_at(&["93.184.216.0"], 1).await.session.id;
    world.pass_now().await;
    assert_eq!(world.view(&short).await.status(), SessionStatus::Active, "it shares the rule that is there");
    world.process().engine.extend(&world.caller(CY), &Which::Named(short.to_string()), None).await.unwrap();
    world.pass_now().await;
    assert!(!world.view(&short).await.is_extending());
    assert_eq!(world.probe_at().await, probe_at, "which says nothing of the additions that wait");
    world.process().engine.stop(&world.caller(CY), &which).await.unwrap();
    world.stop(CY, &short).await;
    world.pass_now().await;
    assert_eq!(world.open_ones(&ids).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_resource_that_is_denied_or_out_of_reach_is_asked_by_one_for_all() {
    for (fault, cause) in [(Fault::Denied, BlockCause::Denied), (Fault::RequestLost, BlockCause::Unreachable)] {
        let mut world = World::new(Kind::Sqlite, 7).await;
        world.cloud.refuse_all(&bastion(), Some(fault));
        let ids = world.start_many(MANY, 8).await;
        world.pass_for(Span::from_minutes(10)).await;
        let before = world.cloud.calls().len();
        world.pass_for(Span::from_minutes(20)).await;
        let calls = world.calls_since(before);
        assert!((2..=2 * 20).contains(&calls), "{cause:?}: {calls} calls in 20 minutes");
        let view = world.view(&ids[MANY - 1]).await;
        assert_eq!((view.status(), view.rules[0].waits_for), (SessionStatus::Failed, Some(cause)));
        world.cloud.refuse_all(&bastion(), None);
        world.pass_for(Span::from_minutes(7)).await;
        assert_eq!((world.open_ones(&ids).await.len(), world.waiting().await), (MANY, 0), "{cause:?}");
    }
}

#[tokio::test]
async fn a_restart_and_a_look_that_finds_the_resource_well_try_it_at_once() {
    let (mut world, _) = full(Kind::Sqlite).await;
    assert!(world.probe_at().await > world.now());
    world.restart().await;
    assert_eq!(world.probe_at().await, world.now());
    let before = world.cloud.calls().len();
    world.pass_now().await;
    assert_eq!((world.calls_since(before), world.probe_at().await > world.now()), (2, true), "one addition, and a look");
    world.process().reconciler.probe_all().await.unwrap();
    assert_eq!(world.probe_at().await, world.now());
}
