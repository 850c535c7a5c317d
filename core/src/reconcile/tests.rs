//! The use cases, the store and the reconciler together, on SQLite, against a simulated allowlist.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::config::Settings;
use crate::domain::{Addresses, HostAddress, Identity, SessionId, SessionStatus, Span, Surface, Timestamp};
use crate::engine::{Caller, Engine, EngineError, StartRequest, Which};
use crate::provider::{Allowlist, SimulatedAllowlist};
use crate::random::SystemRandom;
use crate::store::{SessionView, StoreUrl};

const CONFIG: &str = r#"
[organization]
name = "Acme"
tier = "team"
[[tier]]
name = "team"
durations = ["1h", "2h"]
default_duration = "2h"
max_duration = "24h"
max_sessions_per_member = 2
[[credential]]
name = "prod"
provider = "aws"
[[resource]]
name = "bastion"
provider = "aws"
type = "security_group"
id = "sg-1"
region = "eu-west-1"
credential = "prod"
ports = [{ protocol = "tcp", from = 22, to = 22 }]
[[member]]
name = "ana"
admin = true
identities = ["slack:T/ANA"]
[[member]]
name = "bo"
identities = ["slack:T/BO"]
[[member]]
name = "cy"
identities = ["slack:T/CY"]
[[role]]
name = "developers"
members = ["ana", "bo"]
resources = ["bastion"]
max_duration = "8h"
"#;
const HOME: &str = "93.184.216.34";
const CAFE: &str = "93.184.216.35";

struct World {
    engine: Engine,
    reconciler: Reconciler,
    group: Arc<SimulatedAllowlist>,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let directory = Arc::new(Settings::parse(CONFIG, Path::new("test"), &|_| None).unwrap().directory);
        let url = StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap();
        let (store, deployment) =
            Store::open_for(&url, &directory, Arc::clone(&clock) as Arc<dyn Clock>, &SystemRandom).await.unwrap();
        let store = Arc::new(store);
        let group = Arc::new(SimulatedAllowlist::new(deployment.clone(), &["tcp 22"]));
        let bastion = directory.resources.keys().next().unwrap().clone();
        let allowlists = Arc::new(Allowlists::from([(bastion, Arc::clone(&group) as Arc<dyn Allowlist>)]));
        let nudges = Arc::new(Nudges::default());
        let reconciler = Reconciler::new(ReconcilerParts {
            store: Arc::clone(&store),
            allowlists,
            deployment,
            random: Arc::new(SystemRandom),
            nudges: Arc::clone(&nudges),
            pulse: Arc::default(),
            later_reads: LaterReads::default(),
            sweep_pace: SweepPace::STEP_BY_STEP,
        });
        let engine =
            Engine::new(store, directory, Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemRandom), nudges, Arc::default());
        Self { engine, reconciler, group, clock, _folder: folder }
    }

    fn member(&self, user: &str) -> Caller {
        let identity = Identity::Slack { team: "T".into(), user: user.into() };
        self.engine.caller(&identity, Surface::Slack).unwrap()
    }

    async fn start(&self, user: &str, address: &str, hours: i64) -> Result<SessionId, EngineError> {
        let addresses = Addresses::new(&[HostAddress::parse(address).unwrap()]).unwrap();
        let request = StartRequest::seen(Some(Span::from_hours(hours)), addresses);
        self.engine.start(&self.member(user), request).await.map(|started| started.view.session.id)
    }

    async fn claim_one(&self) -> Option<claim::Claim> {
        self.reconciler.claim(1).await.unwrap().claims.pop()
    }

    async fn stop(&self, user: &str, id: &SessionId) {
        self.engine.stop(&self.member(user), &Which::Named(id.to_string())).await.unwrap();
    }

    /// Lets the clock and the reconciler run until nothing is due, waiting out every delay.
    async fn settle(&self) {
        for _ in 0..20 {
            self.reconciler.expire_overdue().await.unwrap();
            while self.reconciler.reconcile_one().await.unwrap() {}
            let next = self.reconciler.store.begin().await.unwrap().next_due().await.unwrap();
            let Some(next) = next else { return };
            self.clock.advance(next.since(self.clock.now()));
        }
        panic!("the engine does not come to rest: {:?}", self.group.calls());
    }

    async fn view(&self, id: &SessionId) -> SessionView {
        self.engine.view(id).await.unwrap().unwrap()
    }

    async fn status(&self, id: &SessionId) -> SessionStatus {
        self.view(id).await.status()
    }

    async fn audit_of(&self, id: &SessionId) -> Vec<String> {
        self.reconciler.store.begin().await.unwrap().audit_of(id).await.unwrap()
    }
}

#[tokio::test]
async fn i1_no_rule_outlives_its_session_and_a_stopped_session_never_becomes_active_again() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Active, 1));

    world.stop("ANA", &id).await;
    assert_eq!(world.status(&id).await, SessionStatus::Expiring);
    let refused = world.engine.extend(&world.member("ANA"), &Which::Named(id.to_string()), None).await.unwrap_err();
    assert!(matches!(refused, EngineError::Over { .. }), "{refused}");
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Cancelled, 0));
}

#[tokio::test]
async fn a_session_whose_time_runs_out_is_expired_and_closed() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    world.clock.advance(Span::from_hours(2));
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Expired, 0));
}

#[tokio::test]
async fn i2_a_rule_that_another_live_session_wants_is_not_removed() {
    let world = World::new().await;
    let ana = world.start("ANA", HOME, 2).await.unwrap();
    let bo = world.start("BO", HOME, 4).await.unwrap();
    world.settle().await;
    let shared = world.group.rules();
    assert_eq!(shared.len(), 1);
    let bos_end = world.view(&bo).await.session.expires_at;
    assert_eq!(shared[0].mark.as_ref().unwrap().expires_at, Some(bos_end), "the mark is the latest end");

    world.stop("BO", &bo).await;
    world.settle().await;
    assert_eq!((world.status(&bo).await, world.status(&ana).await), (SessionStatus::Cancelled, SessionStatus::Active));
    let anas_end = world.view(&ana).await.session.expires_at;
    assert_eq!(world.group.rules()[0].mark.as_ref().unwrap().expires_at, Some(anas_end), "the mark moves back");

    world.stop("ANA", &ana).await;
    world.settle().await;
    assert_eq!((world.status(&ana).await, world.group.rules().len()), (SessionStatus::Cancelled, 0));
}

#[tokio::test]
async fn i2_a_wish_that_comes_during_removal_gets_a_rule_of_its_own() {
    let world = World::new().await;
    let ana = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    world.stop("ANA", &ana).await;
    world.group.refuse(1);
    world.reconciler.reconcile_one().await.unwrap();
    let bo = world.start("BO", HOME, 2).await.unwrap();
    world.settle().await;
    assert_eq!((world.status(&ana).await, world.status(&bo).await), (SessionStatus::Cancelled, SessionStatus::Active));
    assert_eq!(world.group.rules().len(), 1);
    assert_ne!(world.view(&ana).await.rules[0].opening, world.view(&bo).await.rules[0].opening);
}

#[tokio::test]
async fn i3_a_foreign_rule_is_used_as_it_is_and_never_removed() {
    let world = World::new().await;
    world.group.add_by_hand("93.184.216.34/32".parse().unwrap(), "tcp 22");
    let before = world.group.rules();
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    let view = world.view(&id).await;
    assert_eq!(view.status(), SessionStatus::Active);
    assert!(view.rules[0].is_foreign());
    world.stop("ANA", &id).await;
    world.settle().await;
    world.reconciler.sweep(false).await.unwrap();
    assert_eq!(world.group.rules(), before);
    assert_eq!(world.status(&id).await, SessionStatus::Cancelled);
}

#[tokio::test]
async fn i5_every_change_of_a_session_has_its_audit_event() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    world.engine.extend(&world.member("ANA"), &Which::TheOnly, None).await.unwrap();
    world.settle().await;
    world.stop("ANA", &id).await;
    world.settle().await;
    let expected = [
        "session.started",
        "rule.applied",
        "session.active",
        "session.extended",
        "session.stopped",
        "rule.removed",
        "session.closed",
    ];
    assert_eq!(world.audit_of(&id).await, expected);
}

#[tokio::test]
async fn i6_lost_answers_converge_to_the_same_end_as_none() {
    for lost in 1..=3 {
        let world = World::new().await;
        world.group.lose_answers(lost);
        let id = world.start("ANA", HOME, 2).await.unwrap();
        world.settle().await;
        assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Active, 1), "{lost} lost");
        world.group.lose_answers(lost);
        world.stop("ANA", &id).await;
        world.settle().await;
        assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Cancelled, 0), "{lost} lost");
    }
}

#[tokio::test]
async fn i6_a_session_that_is_stopped_before_its_rule_was_ever_seen_leaves_nothing() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    // The worker dies between the call and the record: the rule is there, and nobody has written its id down.
    let claim = world.claim_one().await.unwrap();
    world.reconciler.work(claim).await;
    assert_eq!(world.group.rules().len(), 1);
    world.stop("ANA", &id).await;
    world.reconciler.resume().await.unwrap();
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Cancelled, 0));
}

#[tokio::test]
async fn i7_a_worker_that_lost_its_lease_cannot_record_an_outcome() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    let stale = world.claim_one().await.unwrap();
    assert!(world.claim_one().await.is_none(), "one resource, one worker");
    world.clock.advance(Span::from_minutes(2));
    let fresh = world.claim_one().await.unwrap();
    let worked = world.reconciler.work(stale).await;
    world.reconciler.record(&[worked]).await.unwrap();
    assert_eq!(world.status(&id).await, SessionStatus::Pending, "the stale worker changed something");
    let worked = world.reconciler.work(fresh).await;
    world.reconciler.record(&[worked]).await.unwrap();
    assert_eq!(world.status(&id).await, SessionStatus::Active);
}

#[tokio::test]
async fn a_removal_is_never_given_up_and_its_error_is_shown() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    world.group.refuse(12);
    world.stop("ANA", &id).await;
    world.reconciler.reconcile_one().await.unwrap();
    let view = world.view(&id).await;
    assert_eq!(view.status(), SessionStatus::Expiring);
    assert!(view.rules[0].error.as_deref().unwrap().contains("throttling"), "{view:?}");
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Cancelled, 0));
}

#[tokio::test]
async fn extending_caps_at_the_limit_and_is_confirmed_once_the_cloud_knows() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 7).await.unwrap();
    world.settle().await;
    let ana = world.member("ANA");
    let extended = world.engine.extend(&ana, &Which::TheOnly, None).await.unwrap();
    assert_eq!(extended.capped_by.unwrap().longest, Span::from_hours(8));
    assert!(extended.view.is_extending());
    world.settle().await;
    let view = world.view(&id).await;
    assert!(!view.is_extending());
    assert_eq!(view.session.expires_at, view.session.started_at.plus(Span::from_hours(8)));
    let refused = world.engine.extend(&ana, &Which::TheOnly, None).await.unwrap_err();
    insta::assert_snapshot!(refused.to_string().replace(id.short(), "SESSION"), @"Session SESSION is as long as it may be: 8h, set by role developers. Start a new one when it ends.");
}

#[tokio::test]
async fn the_limits_refuse_with_what_set_them_and_whom_to_ask() {
    let world = World::new().await;
    let error = async |user, hours| world.start(user, HOME, hours).await.unwrap_err().to_string();
    insta::assert_snapshot!(error("ANA", 9).await, @"Duration exceeds maximum allowed: you asked for 9h, and the maximum is 8h, set by role developers. Choose a shorter one.");
    insta::assert_snapshot!(error("CY", 1).await, @"User has no accessible cloud resources: none of your roles has any. Ask ana for a role with resources.");
    let first = world.start("ANA", HOME, 1).await.unwrap();
    world.start("ANA", CAFE, 1).await.unwrap();
    insta::assert_snapshot!(error("ANA", 1).await.replace(first.short(), "SESSION").split("Stop").next().unwrap(), @"Too many sessions at once: you have 2, the most that tier team allows. ");
    let stranger = Identity::Slack { team: "T".into(), user: "WHO".into() };
    insta::assert_snapshot!(world.engine.caller(&stranger, Surface::Slack).unwrap_err(), @r#"EntryGuard does not know you yet. Ask ana to add this line to your member: `identities = ["slack:T/WHO"]`"#);
}

#[tokio::test]
async fn only_an_administrator_stops_somebody_elses_session() {
    let world = World::new().await;
    let anas = world.start("ANA", HOME, 1).await.unwrap();
    let bos = world.start("BO", CAFE, 1).await.unwrap();
    let refused = world.engine.stop(&world.member("BO"), &Which::Named(anas.to_string())).await.unwrap_err();
    assert!(matches!(refused, EngineError::SessionUnknown(_)), "{refused}");
    world.stop("ANA", &bos).await;
    assert_eq!(world.view(&bos).await.session.ending.unwrap().by.as_deref(), Some("ana"));
}

#[tokio::test]
async fn a_sweep_removes_orphans_and_adds_missing_rules_again() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    world.clock.advance(Span::from_minutes(2));
    world.group.wipe_by_hand();
    let dry = world.reconciler.sweep(true).await.unwrap();
    assert_eq!((dry.resources[0].found.missing.len(), world.status(&id).await), (1, SessionStatus::Active));
    world.reconciler.sweep(false).await.unwrap();
    assert_eq!(world.status(&id).await, SessionStatus::Active, "one read proves nothing");
    world.clock.advance(Span::from_seconds(1));
    world.reconciler.reconcile_one().await.unwrap();
    assert_eq!(world.status(&id).await, SessionStatus::Pending);
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Active, 1));

    // A rule of ours that the database has never heard of, as after a restore from a backup.
    let orphan = crate::provider::Addition {
        opening: crate::domain::OpeningId::from_stored("forgotten"),
        address: HostAddress::parse(CAFE).unwrap(),
        parts: world.group.parts().to_vec(),
        until: world.clock.now(),
        member: world.member("BO").name().clone(),
        session: id.clone(),
    };
    world.group.add(&[orphan]).await.unwrap();
    let report = world.reconciler.sweep(false).await.unwrap();
    assert_eq!((report.resources[0].found.orphans.len(), world.group.rules().len()), (1, 1));
    assert_eq!(world.status(&id).await, SessionStatus::Active);
}

#[tokio::test]
async fn i6_a_rule_that_vanished_before_its_end_was_to_move_is_added_again() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    world.clock.advance(Span::from_minutes(2));
    world.group.wipe_by_hand();
    world.engine.extend(&world.member("ANA"), &Which::TheOnly, None).await.unwrap();
    world.reconciler.reconcile_one().await.unwrap();
    let swept = world.reconciler.sweep(false).await.unwrap();
    assert_eq!(swept.resources[0].found.missing.len(), 1);
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Active, 1));
}

#[tokio::test]
async fn a_link_starts_one_session_and_only_while_it_lasts() {
    let world = World::new().await;
    let ana = world.member("ANA");
    let addresses = Addresses::new(&[HostAddress::parse(HOME).unwrap()]).unwrap();
    let link = world.engine.offer(&ana, crate::engine::OfferRequest::default()).await.unwrap();
    assert_eq!(world.engine.look_at_offer(&link.token).await.unwrap().duration, Span::from_hours(2));
    world.engine.confirm(&link.token, addresses).await.unwrap();
    assert!(matches!(world.engine.confirm(&link.token, addresses).await, Err(EngineError::LinkUsed)));
    let late = world.engine.offer(&ana, crate::engine::OfferRequest::default()).await.unwrap();
    world.clock.advance(Span::from_minutes(10));
    assert!(matches!(world.engine.confirm(&late.token, addresses).await, Err(EngineError::LinkExpired(_))));
    let forged = crate::engine::Token::from_request("00");
    assert!(matches!(world.engine.confirm(&forged, addresses).await, Err(EngineError::LinkUnknown)));
}

#[tokio::test]
async fn whoever_leaves_takes_their_links_and_sessions_along() {
    let world = World::new().await;
    let addresses = Addresses::new(&[HostAddress::parse(CAFE).unwrap()]).unwrap();
    let id = world.start("ANA", HOME, 2).await.unwrap();
    let out = world.engine.offer(&world.member("ANA"), crate::engine::OfferRequest::default()).await.unwrap();
    let bos = world.engine.offer(&world.member("BO"), crate::engine::OfferRequest::default()).await.unwrap();
    let ana = Identity::Slack { team: "T".into(), user: "ANA".into() };
    assert_eq!(world.engine.identity_left(&ana, Surface::Slack, "deactivated in Slack").await.unwrap(), 1);
    assert!(matches!(world.engine.confirm(&out.token, addresses).await, Err(EngineError::Departed { .. })));
    world.settle().await;
    assert_eq!((world.status(&id).await, world.group.rules().len()), (SessionStatus::Cancelled, 0));
    world.engine.confirm(&bos.token, addresses).await.unwrap();
}

#[tokio::test]
async fn a_session_is_reminded_of_once_ten_minutes_before_its_end_and_again_after_it_was_extended() {
    let world = World::new().await;
    let id = world.start("ANA", HOME, 2).await.unwrap();
    world.settle().await;
    let times = async |expected: usize| {
        world.reconciler.remind().await.unwrap();
        let mut tx = world.reconciler.store.begin().await.unwrap();
        let actions = tx.audit_of(&id).await.unwrap();
        assert_eq!(actions.iter().filter(|action| *action == "session.reminded").count(), expected, "{actions:?}");
    };
    world.clock.advance(Span::from_minutes(105));
    times(0).await;
    world.clock.advance(Span::from_minutes(6));
    times(1).await;
    times(1).await;
    world.engine.extend(&world.member("ANA"), &Which::TheOnly, None).await.unwrap();
    times(1).await;
    world.clock.advance(Span::from_minutes(120));
    times(2).await;
}
