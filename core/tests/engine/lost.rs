//! What a session shows when its rule is deleted or changed by hand, or deleted with its whole list: the newest observation, and never
//! a memory.

use entryguard_core::domain::{DriftKind, ResourceName, RuleStatus, SessionStatus, Span};
use entryguard_core::provider::{Fault, SeenRule};
use entryguard_core::store::SessionView;

use crate::database::Kind;
use crate::step::{From, Step, Work};
use crate::world::World;

/// Each test on both databases.
macro_rules! on_both_databases {
    ($(async fn $name:ident($kind:ident: Kind) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn lived($kind: Kind) $body

            #[tokio::test]
            async fn on_sqlite() {
                lived(Kind::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                lived(Kind::Postgres).await;
            }
        }
    )*};
}
pub(crate) use on_both_databases;

pub const BASTION: &str = "bastion";
const DATABASE: &str = "database";
/// May reach both resources.
const ANA: usize = 0;
/// May reach the bastion alone.
pub const CY: usize = 2;

pub fn named(resource: &str) -> ResourceName {
    ResourceName::new(resource).unwrap()
}

/// A world in which a session is open on the bastion, for so long.
pub async fn open_for(kind: Kind, age: Span) -> World {
    let mut world = World::new(kind, 7).await;
    world.step(&Step::Do(Work::Start { member: CY, from: From::Home, hours: 2 })).await;
    world.settle().await;
    world.step(&Step::Wait(age)).await;
    assert_eq!((world.shows().await, world.rules(BASTION).len()), (SessionStatus::Active, 1));
    world
}

pub const OLD: Span = Span::from_minutes(2);
pub const YOUNG: Span = Span::from_seconds(0);

impl World {
    /// The session that was started first.
    pub async fn first(&self) -> SessionView {
        self.view(&self.model.sessions[0].id).await
    }

    pub async fn shows(&self) -> SessionStatus {
        self.first().await.status()
    }

    /// Why its first rule is not there.
    async fn why(&self) -> String {
        self.first().await.rules[0].error.clone().unwrap_or_default()
    }

    pub async fn sweep(&mut self) {
        self.step(&Step::Do(Work::Sweep)).await;
    }

    /// Does what is due now, without waiting for more.
    pub async fn passes(&mut self) {
        while self.work(Work::Pass, &entryguard_core::crash::Watch::only()).await == Some(true) {}
    }

    pub async fn after(&mut self, seconds: i64) {
        self.step(&Step::Wait(Span::from_seconds(seconds))).await;
    }

    /// How often this was written into the log of the first session.
    pub async fn logged(&self, action: &str) -> usize {
        let events = self.audit_of(&self.model.sessions[0].id).await;
        events.iter().filter(|event| *event == action).count()
    }

    async fn drifted(&self, kind: DriftKind) -> usize {
        let mut tx = self.process().store.begin().await.unwrap();
        let newest = tx.newest_drifts(100).await.unwrap();
        newest.iter().filter(|drift| drift.kind == kind).count()
    }

    fn delete(&self, resource: &str, part: &str) {
        let rules = self.rules(resource);
        let rule = rules.iter().find(|rule| rule.part.0 == part).unwrap();
        self.cloud.delete_by_hand(&named(resource), &rule.id);
    }

    fn widen(&self, resource: &str) {
        let rule = self.rules(resource).remove(0);
        self.cloud.widen_by_hand(&named(resource), &rule.id, "0.0.0.0/0".parse().unwrap());
    }

    /// It is open again, as the log says once, and in the end all closes.
    pub async fn opened_again_and_told_once(mut self) {
        assert_eq!(self.shows().await, SessionStatus::Active, "{}", self.story());
        let logged =
            [self.logged("rule.lost").await, self.logged("session.interrupted").await, self.logged("session.active").await];
        assert_eq!(logged, [1, 1, 2], "it was told once");
        self.closes().await;
    }

    pub async fn closes(&mut self) {
        self.come_to_rest().await;
        self.check_at_rest().await;
        self.step(&Step::Wait(Span::from_hours(9))).await;
        self.settle().await;
        self.check_at_rest().await;
        self.database.drop_it().await;
    }
}

fn is_wide(rule: &SeenRule) -> bool {
    rule.source.prefix_len() == 0
}

on_both_databases! {
    async fn i9_an_old_rule_that_was_deleted_is_pending_at_the_second_look_and_back_at_once(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.delete(BASTION, "tcp 22");
        world.sweep().await;
        assert_eq!(world.shows().await, SessionStatus::Active, "a list may lag: one read proves nothing");
        world.after(1).await;
        world.step(&Step::Do(Work::Pass)).await;
        assert_eq!(world.shows().await, SessionStatus::Pending);
        assert!(world.why().await.contains("removed outside of EntryGuard"), "{}", world.why().await);
        world.passes().await;
        assert_eq!((world.shows().await, world.why().await.as_str()), (SessionStatus::Active, ""));
        assert_eq!(world.drifted(DriftKind::Missing).await, 1);
        world.opened_again_and_told_once().await;
    }

    async fn i9_a_young_rule_takes_a_third_look_and_is_back_within_five_seconds(kind: Kind) {
        let mut world = open_for(kind, YOUNG).await;
        world.delete(BASTION, "tcp 22");
        world.sweep().await;
        for seconds in [1, 2] {
            assert_eq!(world.shows().await, SessionStatus::Active);
            world.after(seconds).await;
            world.step(&Step::Do(Work::Pass)).await;
        }
        assert_eq!(world.shows().await, SessionStatus::Pending);
        world.passes().await;
        world.opened_again_and_told_once().await;
    }

    async fn i9_a_pass_for_another_address_sees_what_is_gone(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.delete(BASTION, "tcp 22");
        world.step(&Step::Do(Work::Start { member: CY, from: From::Cafe, hours: 1 })).await;
        world.passes().await;
        world.after(1).await;
        world.passes().await;
        world.opened_again_and_told_once().await;
    }

    async fn i9_what_is_gone_while_its_end_is_to_move_is_seen_without_a_sweep(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.delete(BASTION, "tcp 22");
        world.step(&Step::Do(Work::Extend(0, 1))).await;
        world.settle().await;
        world.opened_again_and_told_once().await;
    }

    async fn i2_the_port_that_is_left_stays_open_while_the_other_is_added_again(kind: Kind) {
        let mut world = World::new(kind, 7).await;
        world.step(&Step::Do(Work::Start { member: ANA, from: From::Home, hours: 2 })).await;
        world.settle().await;
        world.step(&Step::Wait(OLD)).await;
        let left = world.rules(DATABASE).into_iter().find(|rule| rule.part.0 == "tcp 6432").unwrap();
        world.delete(DATABASE, "tcp 5432");
        world.sweep().await;
        world.settle().await;
        let rules = world.rules(DATABASE);
        assert_eq!(rules.len(), 2);
        assert!(rules.iter().any(|rule| rule.id == left.id), "{}", world.story());
        world.opened_again_and_told_once().await;
    }

    async fn i9_a_widened_rule_is_shown_before_it_is_replaced(kind: Kind) {
        let mut world = open_for(kind, YOUNG).await;
        let before = world.first().await.rules[0].opening.clone();
        world.widen(BASTION);
        world.sweep().await;
        assert_eq!(world.shows().await, SessionStatus::Pending);
        assert!(world.why().await.contains("changed outside of EntryGuard"), "{}", world.why().await);
        assert_ne!(world.first().await.rules[0].opening, before, "what is told to go is never revived");
        world.passes().await;
        assert!(!world.rules(BASTION).iter().any(is_wide), "{}", world.story());
        assert_eq!(world.drifted(DriftKind::Widened).await, 1);
        world.opened_again_and_told_once().await;
    }

    async fn i9_a_pass_that_sees_a_widened_rule_replaces_it(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.widen(BASTION);
        world.step(&Step::Do(Work::Start { member: CY, from: From::Cafe, hours: 1 })).await;
        world.passes().await;
        assert!(!world.rules(BASTION).iter().any(is_wide), "{}", world.story());
        world.opened_again_and_told_once().await;
    }

    async fn i1_a_widened_rule_whose_removal_fails_is_tried_again_before_the_next_sweep(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.widen(BASTION);
        world.sweep().await;
        for fault in [Fault::Throttled, Fault::RequestLost, Fault::Pretended] {
            world.cloud.fault_next_change(fault);
        }
        world.settle().await;
        assert!(!world.rules(BASTION).iter().any(is_wide), "{}", world.story());
        world.opened_again_and_told_once().await;
    }

    async fn i9_a_list_that_was_deleted_is_failed_at_the_first_look_and_active_when_it_is_back(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.cloud.delete_list(&named(BASTION));
        world.sweep().await;
        assert_eq!(world.shows().await, SessionStatus::Failed);
        assert!(world.why().await.contains("does not exist"), "{}", world.why().await);
        world.after(300).await;
        world.passes().await;
        world.sweep().await;
        assert_eq!((world.shows().await, world.logged("session.failed").await), (SessionStatus::Failed, 1));
        world.cloud.make_list(&named(BASTION));
        world.sweep().await;
        assert_eq!((world.shows().await, world.why().await.as_str()), (SessionStatus::Pending, ""));
        world.passes().await;
        assert_eq!(world.shows().await, SessionStatus::Active);
        world.closes().await;
    }

    async fn i9_a_pass_that_finds_no_list_shows_it_on_every_session(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.cloud.delete_list(&named(BASTION));
        world.step(&Step::Do(Work::Start { member: CY, from: From::Cafe, hours: 1 })).await;
        world.step(&Step::Do(Work::Pass)).await;
        let statuses: Vec<_> = world.views().await.iter().map(SessionView::status).collect();
        assert_eq!(statuses, [SessionStatus::Failed, SessionStatus::Failed]);
        world.cloud.make_list(&named(BASTION));
        world.closes().await;
    }

    async fn i1_a_session_on_a_deleted_list_closes_and_a_rule_that_comes_back_with_it_is_removed(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        let rule = world.rules(BASTION).remove(0);
        world.cloud.delete_list(&named(BASTION));
        world.step(&Step::Do(Work::Stop(0))).await;
        for _ in 0..8 {
            world.passes().await;
            world.after(1).await;
        }
        assert_eq!(world.shows().await, SessionStatus::Cancelled, "{}", world.story());
        world.after(600).await;
        world.passes().await;
        world.cloud.make_list(&named(BASTION));
        world.cloud.restore_by_hand(&named(BASTION), &rule);
        world.after(60).await;
        world.passes().await;
        assert_eq!(world.rules(BASTION), [], "no sweep was needed");
        world.closes().await;
    }

    async fn i9_a_session_that_joins_a_missing_rule_is_not_shown_as_applied(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.cloud.delete_list(&named(BASTION));
        world.sweep().await;
        world.step(&Step::Do(Work::Start { member: CY, from: From::Home, hours: 1 })).await;
        let joined = world.views().await;
        let shown: Vec<_> = joined.iter().map(|view| view.rules[0].status).collect();
        assert!(!shown.contains(&RuleStatus::Applied), "{shown:?}");
        world.cloud.make_list(&named(BASTION));
        world.closes().await;
    }
}
