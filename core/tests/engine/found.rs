//! Histories that were once found to end badly, each as short as it could be made.

use entryguard_core::domain::Span;
use entryguard_core::provider::Fault;

use crate::database::Kind;
use crate::step::{Edit, From, Step, Work};
use crate::world::World;

const BASTION: usize = 0;
const DATABASE: usize = 1;
/// May reach the bastion alone.
const CY: usize = 2;

fn start(member: usize, hours: i64) -> Step {
    Step::Do(Work::Start { member, from: From::Home, hours })
}

async fn live(steps: &[Step]) -> World {
    let mut world = World::new(Kind::Sqlite, 7).await;
    for step in steps {
        world.step(step).await;
        world.check().await;
    }
    world
}

async fn live_and_sweep(steps: &[Step]) {
    let mut world = live(steps).await;
    world.come_to_rest().await;
    world.check_at_rest().await;
}

#[tokio::test]
async fn i5_a_session_whose_openings_others_want_has_its_end_in_the_log_to_the_last_event() {
    live_and_sweep(&[start(0, 1), start(1, 2), Step::Settle, Step::Do(Work::Stop(0))]).await;
}

#[tokio::test]
async fn i6_a_rule_that_is_deleted_while_its_end_is_to_move_is_made_anew() {
    let delete = Step::Edit(Edit::Delete { resource: BASTION, rule: 0 });
    live_and_sweep(&[start(CY, 1), Step::Settle, start(CY, 2), delete]).await;
}

#[tokio::test]
async fn i6_a_session_that_lost_one_of_two_ports_is_whole_after_one_sweep() {
    let delete = Step::Edit(Edit::Delete { resource: DATABASE, rule: 0 });
    live_and_sweep(&[start(0, 1), Step::Settle, delete]).await;
}

#[tokio::test]
async fn i6_an_end_that_moves_back_after_a_death_is_marked_again() {
    let die_marked = Step::Crash(Work::Pass, 3);
    let mut world = live(&[start(CY, 1), Step::Settle, start(CY, 2), die_marked, Step::Do(Work::Stop(1))]).await;
    // Before any sweep: that one would put it right, and may be an hour away.
    world.settle().await;
    world.check_at_rest().await;
}

#[tokio::test]
async fn i6_an_old_end_that_is_written_late_is_put_right_by_a_sweep() {
    let late = Step::ChangeFails(Fault::Late(Span::from_minutes(1)));
    let extend = Step::Do(Work::Extend(0, 1));
    live_and_sweep(&[start(CY, 3), Step::Settle, late, extend.clone(), Step::Do(Work::Pass), extend]).await;
}

#[tokio::test]
async fn i6_a_rule_that_somebody_put_back_does_not_outlive_the_opening_that_it_was_made_for() {
    let delete = Step::Edit(Edit::Delete { resource: DATABASE, rule: 0 });
    let widen = Step::Edit(Edit::Widen { resource: DATABASE, rule: 0 });
    let restore = Step::Edit(Edit::Restore { resource: DATABASE, rule: 0 });
    live_and_sweep(&[start(0, 1), Step::Settle, delete, widen, restore]).await;
}

#[tokio::test]
async fn i1_a_rule_that_lost_its_tags_before_its_session_was_extended_is_removed_with_it() {
    let strip = Step::Edit(Edit::Strip { resource: BASTION, rule: 0 });
    let extend = Step::Do(Work::Extend(0, 1));
    let history = [start(CY, 1), Step::Settle, strip, extend, Step::Settle, Step::Do(Work::Stop(0)), Step::Settle];
    let world = live(&history).await;
    assert_eq!(world.rules("bastion"), []);
}

#[tokio::test]
async fn a_rule_without_tags_at_two_sweeps_is_replaced_by_one_that_bears_them() {
    let strip = Step::Edit(Edit::Strip { resource: BASTION, rule: 0 });
    let mut world = live(&[start(CY, 1), Step::Settle, strip, Step::Do(Work::Sweep)]).await;
    assert!(world.rules("bastion")[0].mark.is_none(), "tags may show later than their rule: one read proves nothing");
    for step in [Step::Do(Work::Sweep), Step::Settle] {
        world.step(&step).await;
        world.check().await;
    }
    let rules = world.rules("bastion");
    assert!(matches!(rules.as_slice(), [rule] if rule.mark.is_some()), "{rules:?}");
    world.check_at_rest().await;
}
