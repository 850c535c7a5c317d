//! What the engine does not believe, does not do at once, and does not do at all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use entryguard_core::domain::{
    ApiLimit, DriftKind, HostAddress, MemberName, OpeningId, ResourceName, RulePart, SessionId, SessionStatus, Span,
};
use entryguard_core::engine::EngineError;
use entryguard_core::provider::{
    Addition, Allowlist, Allowlists, CallLimits, Fault, Health, ProviderError, Remark, Removal, SeenRule, SimulatedAllowlist,
};
use entryguard_core::reconcile::{Nudges, Reconciler, ReconcilerParts, SweepPace};

use crate::database::Kind;
use crate::process::PARTS;
use crate::step::{From, Step, Work};
use crate::world::World;

/// May reach the bastion alone.
const CY: usize = 2;
const BASTION: &str = "bastion";

fn bastion() -> ResourceName {
    ResourceName::new(BASTION).unwrap()
}

/// A world in which a session is open on the bastion.
async fn opened() -> World {
    let mut world = World::new(Kind::Sqlite, 7).await;
    world.step(&Step::Do(Work::Start { member: CY, from: From::Home, hours: 2 })).await;
    world.settle().await;
    assert_eq!((world.status().await, world.rules(BASTION).len()), (SessionStatus::Active, 1));
    world
}

impl World {
    async fn status(&self) -> SessionStatus {
        self.views().await[0].status()
    }

    async fn stop_and_pass(&mut self) {
        self.step(&Step::Do(Work::Stop(0))).await;
        self.step(&Step::Do(Work::Pass)).await;
    }

    async fn drifts(&self) -> Vec<DriftKind> {
        let mut tx = self.process().store.begin().await.unwrap();
        tx.take_untold_drifts(100, Span::from_minutes(1)).await.unwrap().into_iter().map(|drift| drift.kind).collect()
    }

    fn reads(&self) -> usize {
        self.cloud.calls().iter().filter(|call| call.name == "observe").count()
    }
}

#[tokio::test]
async fn i1_a_revoke_that_says_ok_and_removes_nothing_is_noticed() {
    let mut world = opened().await;
    world.cloud.fault_next_change(Fault::Pretended);
    world.stop_and_pass().await;
    assert_eq!((world.status().await, world.rules(BASTION).len()), (SessionStatus::Expiring, 1));
    let shown = world.views().await[0].rules[0].error.clone();
    insta::assert_snapshot!(shown.unwrap(), @"the rule is still there; EntryGuard keeps removing it");
    world.settle().await;
    assert_eq!((world.status().await, world.rules(BASTION).len()), (SessionStatus::Cancelled, 0));
}

#[tokio::test]
async fn i1_a_removal_is_shown_when_a_later_read_agrees_and_final_when_all_do() {
    let mut world = opened().await;
    let before = world.reads();
    world.stop_and_pass().await;
    assert_eq!((world.status().await, world.rules(BASTION).len()), (SessionStatus::Expiring, 0), "one read proves nothing");
    world.clock.advance(Span::from_seconds(1));
    world.step(&Step::Do(Work::Pass)).await;
    assert_eq!(world.status().await, SessionStatus::Cancelled);
    let due = world.process().store.begin().await.unwrap().next_due().await.unwrap();
    assert!(due.is_some(), "it is looked for again");
    world.settle().await;
    assert_eq!(world.reads() - before, 4, "at once, and 1, 10 and 60 s later");
}

#[tokio::test]
async fn i1_a_rule_that_is_there_again_after_it_was_gone_is_removed_again_and_told_of() {
    let mut world = opened().await;
    let rule = world.rules(BASTION).remove(0);
    world.stop_and_pass().await;
    world.clock.advance(Span::from_seconds(1));
    world.step(&Step::Do(Work::Pass)).await;
    assert_eq!(world.status().await, SessionStatus::Cancelled);
    world.cloud.restore_by_hand(&bastion(), &rule);
    world.settle().await;
    assert_eq!(world.rules(BASTION), []);
    assert_eq!(world.drifts().await, [DriftKind::Returned]);
}

#[tokio::test]
async fn a_live_session_is_listed_before_every_newer_one_that_is_over() {
    let world = World::new(Kind::Sqlite, 7).await;
    let live = world.try_to_start(0).await.unwrap();
    for _ in 0..60 {
        world.clock.advance(Span::from_seconds(1));
        let short = world.try_to_start(0).await.unwrap();
        world.stop(0, &short).await;
    }
    let (engine, caller) = (&world.process().engine, world.caller(0));
    let listed = engine.live_first(&caller, 10).await.unwrap();
    assert_eq!((listed.len(), &listed[0].session.id), (10, &live));
    assert!(listed[1..].is_sorted_by_key(|view| std::cmp::Reverse(view.session.started_at)));
}

#[tokio::test]
async fn many_removals_that_no_session_asked_for_wait_for_a_second_sweep() {
    let world = opened().await;
    let process = world.process();
    let list = world.cloud.allowlist(bastion(), process.deployment.clone(), PARTS[0].1);
    let forgotten: Vec<_> = (0..12).map(|n| addition(&format!("forgotten-{n}"), &format!("93.184.217.{n}"), &world)).collect();
    list.add(&forgotten).await.unwrap();
    let first = process.reconciler.sweep(false).await.unwrap().resources.remove(0);
    assert_eq!((first.held_back.len(), first.found.orphans.len(), world.rules(BASTION).len()), (12, 0, 13));
    let second = process.reconciler.sweep(false).await.unwrap().resources.remove(0);
    assert_eq!((second.held_back.len(), second.found.orphans.len(), world.rules(BASTION).len()), (0, 12, 1));
}

#[tokio::test]
async fn a_sweep_whose_list_cannot_be_read_changes_nothing_and_says_so_once() {
    let world = opened().await;
    let before = world.rules(BASTION);
    for _ in 0..2 {
        world.cloud.fault_next_read(Fault::Denied);
        let report = world.process().reconciler.sweep(false).await.unwrap();
        assert!(!report.is_complete() && report.has_seen());
    }
    world.process().reconciler.sweep(false).await.unwrap();
    assert_eq!(world.rules(BASTION), before);
    assert_eq!(world.drifts().await, [DriftKind::Unread, DriftKind::ReadAgain]);
}

#[tokio::test]
async fn nothing_is_opened_by_a_server_that_would_not_notice_the_end_and_closing_goes_on() {
    let mut world = opened().await;
    let pulse = Arc::clone(&world.process().pulse);
    pulse.expiry_done();
    pulse.stand_still(Duration::from_secs(121));
    let refused = world.try_to_start(CY).await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused(_)), "{refused}");
    insta::assert_snapshot!(refused, @"EntryGuard opens nothing for now, because sessions that ran out have not been closed for 2m 1s. Closing goes on. Whoever runs EntryGuard should read its log.");
    world.step(&Step::Do(Work::Stop(0))).await;
    world.settle().await;
    assert_eq!((world.status().await, world.rules(BASTION).len()), (SessionStatus::Cancelled, 0));
    pulse.expiry_done();
    world.try_to_start(CY).await.unwrap();
}

#[tokio::test]
async fn additions_leave_a_share_of_the_calls_to_removals() {
    let world = World::new(Kind::Sqlite, 7).await;
    let reconciler = limited(&world);
    // Reads are shared by additions and removals: of five at once, additions leave two.
    let mut sessions = Vec::new();
    for address in ["93.184.216.40", "93.184.216.41", "93.184.216.42"] {
        sessions.push(world.try_to_start_at(CY, address).await.unwrap());
        assert!(reconciler.reconcile_one().await.unwrap());
    }
    world.try_to_start_at(CY, "93.184.216.50").await.unwrap();
    assert!(!reconciler.reconcile_one().await.unwrap(), "the rest is kept for removals");
    world.stop(CY, &sessions[0]).await;
    assert!(reconciler.reconcile_one().await.unwrap(), "a removal takes what was kept");
    let open: Vec<_> = world.rules(BASTION).iter().map(|rule| rule.source.to_string()).collect();
    assert!(!open.contains(&"93.184.216.40/32".to_owned()), "{open:?}");
    world.try_to_start_at(CY, "93.184.216.51").await.unwrap();
    assert!(!reconciler.reconcile_one().await.unwrap());
    world.clock.advance(Span::from_seconds(3));
    assert!(reconciler.reconcile_one().await.unwrap(), "calls come back with time");
}

fn addition(opening: &str, address: &str, world: &World) -> Addition {
    Addition {
        opening: OpeningId::from_stored(opening),
        address: HostAddress::parse(address).unwrap(),
        parts: vec![RulePart("tcp 22".into())],
        until: world.now(),
        member: MemberName::new("ana").unwrap(),
        session: SessionId::from_stored("s"),
    }
}

/// A reconciler that works on the bastion alone, within limits.
fn limited(world: &World) -> Reconciler {
    let process = world.process();
    let list = world.cloud.allowlist(bastion(), process.deployment.clone(), PARTS[0].1);
    let limit = |api: &str, burst| ApiLimit { api: format!("prod/eu-west-1/{api}"), burst, per_second: 1 };
    let limits = CallLimits {
        observe: limit("describe", 5),
        add: limit("authorize", 50),
        mark: limit("tag", 50),
        remove: limit("revoke", 50),
        additions_a_call: 6,
    };
    let allowlist: Arc<dyn Allowlist> = Arc::new(Limited { list, limits });
    Reconciler::new(ReconcilerParts {
        store: Arc::clone(&process.store),
        allowlists: Arc::new(Allowlists::from([(bastion(), allowlist)])),
        deployment: process.deployment.clone(),
        random: world.random(),
        nudges: Arc::new(Nudges::default()),
        pulse: Arc::default(),
        later_reads: entryguard_core::domain::LaterReads::default(),
        sweep_pace: SweepPace::STEP_BY_STEP,
    })
}

/// An allowlist whose calls are counted.
struct Limited {
    list: SimulatedAllowlist,
    limits: CallLimits,
}

#[async_trait]
impl Allowlist for Limited {
    fn parts(&self) -> &[RulePart] {
        self.list.parts()
    }

    fn limits(&self) -> Option<&CallLimits> {
        Some(&self.limits)
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        self.list.observe().await
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        self.list.add(additions).await
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        self.list.mark_until(remarks).await
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        self.list.remove(removals).await
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        self.list.verify().await
    }
}
