//! Lists that lag behind, or are cut short without a word: they take nothing away, and sessions do not flap by them.

use entryguard_core::domain::{SessionStatus, Span};
use entryguard_core::provider::Fault;

use crate::database::Kind;
use crate::lost::{BASTION, CY, OLD, YOUNG, named, on_both_databases, open_for};
use crate::step::{From, Step, Work};
use crate::world::World;

/// From before everything.
const STALE: Fault = Fault::Stale(Span::from_hours(1));

impl World {
    /// How often the cloud was asked for changes.
    fn changes_asked_for(&self) -> usize {
        self.cloud.calls().iter().filter(|call| call.name != "observe").count()
    }

    /// Lets the next reads show this, sweeps, and looks again for ten seconds: no rule and no status may change.
    async fn changes_nothing(mut self, lies: &[Fault]) {
        let (rules, asked) = (self.rules(BASTION), self.changes_asked_for());
        lies.iter().for_each(|lie| self.cloud.fault_next_read(*lie));
        self.sweep().await;
        for _ in 0..20 {
            assert_eq!(self.shows().await, SessionStatus::Active, "{lies:?}");
            self.passes().await;
            self.step(&Step::Wait(Span::from_millis(500))).await;
        }
        assert_eq!((self.rules(BASTION), self.changes_asked_for()), (rules, asked), "{lies:?}");
        assert_eq!((self.logged("rule.lost").await, self.logged("session.active").await), (0, 1), "{lies:?}");
        self.closes().await;
    }
}

on_both_databases! {
    async fn i9_one_old_list_takes_nothing_from_an_old_rule(kind: Kind) {
        open_for(kind, OLD).await.changes_nothing(&[STALE]).await;
    }

    async fn i9_two_old_lists_take_nothing_from_a_young_rule(kind: Kind) {
        open_for(kind, YOUNG).await.changes_nothing(&[STALE, STALE]).await;
    }

    async fn i9_a_list_that_is_cut_short_takes_nothing(kind: Kind) {
        open_for(kind, OLD).await.changes_nothing(&[Fault::Short(0)]).await;
    }

    async fn i9_old_and_new_lists_in_turn_take_nothing(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        for _ in 0..4 {
            world.cloud.fault_next_read(STALE);
            world.sweep().await;
            world.after(1).await;
            world.passes().await;
            assert_eq!(world.shows().await, SessionStatus::Active);
        }
        assert_eq!(world.logged("rule.lost").await, 0);
        world.closes().await;
    }

    async fn i9_a_list_that_cannot_be_read_for_long_takes_nothing(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        for _ in 0..5 {
            world.cloud.fault_next_read(Fault::Denied);
            world.sweep().await;
            world.after(300).await;
            world.passes().await;
            assert_eq!(world.shows().await, SessionStatus::Active);
        }
        world.closes().await;
    }

    async fn i2_lists_that_lag_for_long_cost_one_notice_and_never_the_rule(kind: Kind) {
        let mut world = open_for(kind, YOUNG).await;
        let rules = world.rules(BASTION);
        world.cloud.lag(Span::from_minutes(10));
        world.sweep().await;
        for _ in 0..60 {
            world.passes().await;
            world.step(&Step::Wait(Span::from_millis(500))).await;
            assert_eq!(world.rules(BASTION), rules, "{}", world.story());
        }
        assert_eq!(world.shows().await, SessionStatus::Failed, "no read has shown it for half a minute");
        world.cloud.heal();
        world.settle().await;
        assert_eq!((world.shows().await, world.rules(BASTION)), (SessionStatus::Active, rules));
        assert_eq!((world.logged("rule.lost").await, world.logged("session.interrupted").await), (1, 1));
        world.closes().await;
    }

    async fn i1_what_was_in_doubt_when_its_session_ended_is_gone_only_after_reads_of_its_own(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        world.cloud.fault_next_read(STALE);
        world.sweep().await;
        // The doubt grows old, because no read succeeds.
        for _ in 0..40 {
            world.cloud.fault_next_read(Fault::Throttled);
            world.after(5).await;
            world.passes().await;
        }
        assert_eq!(world.shows().await, SessionStatus::Active);
        world.cloud.heal();
        world.cloud.fault_next_change(Fault::Pretended);
        world.cloud.fault_next_read(Fault::Short(0));
        world.step(&Step::Do(Work::Stop(0))).await;
        world.step(&Step::Do(Work::Pass)).await;
        assert_eq!((world.shows().await, world.rules(BASTION).len()), (SessionStatus::Expiring, 1));
        world.settle().await;
        assert_eq!((world.shows().await, world.rules(BASTION).len()), (SessionStatus::Cancelled, 0));
        world.closes().await;
    }

    async fn i9_a_deleted_rule_that_old_lists_still_show_is_noticed_once_they_do_not(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        let rule = world.rules(BASTION).remove(0);
        world.cloud.delete_by_hand(&named(BASTION), &rule.id);
        world.after(1).await;
        world.cloud.fault_next_read(Fault::Stale(Span::from_seconds(60)));
        world.sweep().await;
        assert_eq!(world.shows().await, SessionStatus::Active, "the stale list still shows it");
        world.sweep().await;
        world.settle().await;
        world.opened_again_and_told_once().await;
    }

    async fn i2_an_old_list_in_a_pass_for_another_takes_nothing(kind: Kind) {
        let mut world = open_for(kind, OLD).await;
        let rules = world.rules(BASTION);
        world.step(&Step::Do(Work::Start { member: CY, from: From::Cafe, hours: 1 })).await;
        world.cloud.fault_next_read(STALE);
        world.settle().await;
        assert_eq!((world.logged("rule.lost").await, world.shows().await), (0, SessionStatus::Active));
        assert!(rules.iter().all(|rule| world.rules(BASTION).contains(rule)), "{}", world.story());
        world.closes().await;
    }
}
