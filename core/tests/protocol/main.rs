//! The protocol, modelled: every order in which sessions, workers and a cloud can take their steps, with a few faults.
//!
//! The model is written a second time and small, but it takes the code's steps: each [`moves::Action`] names the file and the
//! function that it stands for, and a transaction or a call of the code is one step here. Whoever changes one changes the other.
//! [`sessions`] is what is wanted, [`pass`] what a worker does about it, [`cloud`] what comes of that. What a replica does that has lost
//! its database is a model of its own, with time in it: [`offline`].
//!
//! A fault is a worker that dies, a lease taken over from a worker that goes on, an answer or a list that does not come, an
//! addition that the resource refuses, or an OK to a removal that was not done. A call whose sender has given up or died is done at any
//! later time, or never. Where lists may lie, a list may lag by one change, and a rule of ours may be removed by hand.
//! Left out: rules that are widened by hand, resources with several parts, and the moving of a session's end.
//!
//! Then each rule of the protocol is broken, one at a time, and the model has to find out what it is good for.
#![expect(clippy::expect_used, reason = "a test that cannot go on should stop loudly")]

mod cloud;
mod moves;
mod offline;
mod pass;
mod sessions;
mod world;

use std::thread;
use std::time::Instant;

use moves::{
    ACTIVE_HAS_ITS_RULE, Action, EVERY_WISH_IS_GRANTED, FOREIGN_RULES_STAND, GONE_IS_GONE, IT_COMES_TO_REST, LISTS_TAKE_NOTHING,
    NOTHING_IS_LEFT_OPEN, ONE_LIST_IS_NO_NEWS, Protocol,
};
use stateright::{Checker, Model};
use world::Variant;

#[test]
fn the_protocol_holds_to_three_faults() {
    holds(2, 3, false);
}

#[test]
fn the_protocol_holds_to_two_faults_where_lists_lie() {
    holds(2, 2, true);
}

#[test]
#[ignore = "three million states: run it with ./x model"]
fn the_protocol_holds_to_four_faults() {
    holds(2, 4, false);
    holds(3, 3, false);
    holds(3, 2, true);
}

/// A foreign rule lets the address in already, and a session's opening is seen to be there by it. The session ends, and its removal
/// takes whatever lets the address in.
#[test]
fn i3_a_removal_by_address_takes_a_foreign_rule() {
    breaks(Variant::RemovesByAddress, FOREIGN_RULES_STAND, Story { faults: 0, steps: 8 });
}

/// The first session's rule is added, and the session ends. Worker one calls for the removal, and its lease is taken over. Worker two removes as well, sees that
/// all is gone, and adds the rule of a second session. Only now is worker one's call done, and takes that one.
#[test]
fn i2_a_removal_by_address_takes_the_next_sessions_rule() {
    breaks(Variant::RemovesByAddress, ACTIVE_HAS_ITS_RULE, Story { faults: 1, steps: 17 });
}

/// A session ends, and its removal is under way. A second one takes the instance back. The removal is recorded: the second
/// session wants what is gone for good, and nobody is ever going to look at it again. No fault is needed.
#[test]
fn i6_a_revived_removal_leaves_its_session_waiting_for_ever() {
    breaks(Variant::RevivesRemovals, EVERY_WISH_IS_GRANTED, Story { faults: 0, steps: 5 });
}

/// Worker one calls for the removal. A second session takes the instance back, worker two takes the lease over, and sees the
/// rule there. Now the removal is done. Worker two records what it saw: the session reads ACTIVE, and has no rule.
#[test]
fn i2_a_revived_removal_takes_the_rule_of_the_session_that_revived_it() {
    breaks(Variant::RevivesRemovals, ACTIVE_HAS_ITS_RULE, Story { faults: 1, steps: 13 });
}

/// Worker one adds a rule, and sees it there. Its session ends, and worker two takes the lease over and removes the rule. Then
/// worker one records that the rule is there: a second session joins it, and reads ACTIVE.
#[test]
fn i7_without_a_fence_a_slow_worker_records_what_is_gone_as_present() {
    breaks(Variant::NoFence, ACTIVE_HAS_ITS_RULE, Story { faults: 1, steps: 13 });
}

/// A session ends, and worker one calls for the removal of its rule, which still reads PRESENT. A second session joins it.
/// Worker two takes the lease over and finds nothing to do. The removal is done, and the second session reads ACTIVE.
#[test]
fn i2_without_an_intent_before_the_call_a_session_joins_what_is_being_removed() {
    breaks(Variant::IntentAfterCall, ACTIVE_HAS_ITS_RULE, Story { faults: 1, steps: 11 });
}

/// A session opens and ends. EC2 answers OK to the revoke, and has revoked nothing: the rule is recorded as gone, and is there.
#[test]
fn i1_a_removal_that_is_believed_and_not_read_may_not_have_happened() {
    breaks(Variant::BelievesAnswers, GONE_IS_GONE, Story { faults: 1, steps: 10 });
}

/// A worker calls for a rule, and dies. The session ends, the rule is looked for, and is not there. Then the call is done.
#[test]
fn i1_without_a_sweep_a_late_call_opens_for_nobody() {
    breaks(Variant::NeverSweeps, NOTHING_IS_LEFT_OPEN, Story { faults: 1, steps: 11 });
}

/// A session is open. A sweep reads a list from before its rule was made, and the session reads PENDING.
#[test]
fn i9_one_list_that_is_believed_may_be_an_old_one() {
    breaks(Variant::BelievesOneList, ONE_LIST_IS_NO_NEWS, Story { faults: 1, steps: 7 });
}

/// A session is open. Two lists from before its rule was made do not show it, so it is recorded as gone, and a new instance wanted. A
/// sweep that reads a true list finds a rule that no instance accounts for, and removes what the session is using.
#[test]
fn i2_what_is_replaced_because_of_old_lists_is_taken_from_its_session() {
    breaks(Variant::ReplacesWhatIsGone, LISTS_TAKE_NOTHING, Story { faults: 2, steps: 12 });
}

/// A session is open, and an old list makes us doubt. The session ends. The doubt is taken for a first read after the removal, so that
/// one more old list is enough to record the rule as gone.
#[test]
fn i1_a_doubt_from_before_a_removal_says_nothing_of_it() {
    breaks(Variant::KeepsDoubts, GONE_IS_GONE, Story { faults: 2, steps: 11 });
}

/// A session starts, and the resource refuses its rule. Nothing ever tries again: the session waits, though there may be room.
#[test]
fn i6_without_a_probe_a_refusal_is_for_ever() {
    breaks(Variant::NeverProbes, IT_COMES_TO_REST, Story { faults: 1, steps: 5 });
}

/// A session starts and ends before a worker looks. A worker finds that nothing was ever asked for; a second session joins what is
/// there; the worker records it as gone, and nothing looks at the second session's wish again.
#[test]
fn i6_what_was_never_tried_is_not_dropped_without_an_intent() {
    breaks(Variant::DropsTheUntried, EVERY_WISH_IS_GRANTED, Story { faults: 0, steps: 5 });
}

/// Looks at every state, and prints how many there are.
fn holds(sessions: usize, faults: u8, lies: bool) {
    let began = Instant::now();
    let threads = thread::available_parallelism().map_or(1, Into::into);
    let protocol = Protocol { variant: Variant::Sound, sessions, faults, lies };
    let checker = protocol.checker().threads(threads).spawn_bfs().join();
    let (states, steps, took) = (checker.unique_state_count(), checker.state_count(), began.elapsed());
    println!("{sessions} sessions, {faults} faults: {states} states, {steps} steps between them, {took:.1?}");
    checker.assert_properties();
}

/// The shortest way to what must not be.
struct Story {
    faults: u8,
    steps: usize,
}

/// Finds the shortest way to a state in which the property does not hold, and says so where that is another one than is told.
fn breaks(variant: Variant, property: &'static str, told: Story) {
    let Story { faults, steps } = told;
    let found = shortest(variant, property, faults).expect("the broken protocol should break");
    assert_eq!(found.len(), steps, "{variant:?}: {property:?} breaks after {} steps: {found:?}", found.len());
    if let Some(fewer) = faults.checked_sub(1) {
        let without = shortest(variant, property, fewer);
        assert_eq!(without, None, "{variant:?}: {property:?} breaks with {fewer} faults already");
    }
}

/// A checker that stops at the first state it finds need not have found the nearest one, so it may look a step further each
/// time.
fn shortest(variant: Variant, property: &'static str, faults: u8) -> Option<Vec<Action>> {
    let within = |depth| {
        let lies = matches!(variant, Variant::BelievesOneList | Variant::ReplacesWhatIsGone | Variant::KeepsDoubts);
        let protocol = Protocol { variant, sessions: 2, faults, lies };
        protocol.checker().target_max_depth(depth).spawn_bfs().join().discovery(property)
    };
    within(usize::MAX)?;
    (1..).find_map(within).map(|path| path.into_actions())
}
