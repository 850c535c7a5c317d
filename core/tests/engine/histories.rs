//! Random histories of sessions, crashes, faults and foreign hands, against a model of what must be true.

use entryguard_core::domain::Span;
use entryguard_core::provider::Fault;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use tokio::runtime::{Builder, Runtime};

use crate::database::Kind;
use crate::step::{Edit, From, Step, Work};
use crate::world::World;

/// Histories tried where `PROPTEST_CASES` says nothing else.
const CASES: u32 = 80;
/// One on Postgres for so many on SQLite: making a database takes longer there.
const ON_POSTGRES: u32 = 10;
const LONGEST: usize = 40;

#[test]
fn i1_to_i6_hold_in_every_history_on_sqlite() {
    try_histories(Kind::Sqlite, CASES);
}

#[test]
fn i1_to_i6_hold_in_every_history_on_postgres() {
    try_histories(Kind::Postgres, CASES / ON_POSTGRES);
}

fn try_histories(kind: Kind, cases: u32) {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    // The same histories each time, so that a change is judged by its own merits; PROPTEST_RNG_SEED tries others.
    if std::env::var("PROPTEST_RNG_SEED").is_err() {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let asked = std::env::var("PROPTEST_CASES").is_ok();
    let cases = match (asked, kind) {
        (false, _) => cases,
        (true, Kind::Sqlite) => config.cases,
        (true, Kind::Postgres | Kind::Pooled) => config.cases / ON_POSTGRES,
    };
    let config = Config { cases, ..config };
    let histories = History::sequential_strategy(1..LONGEST);
    let outcome = TestRunner::new(config.clone()).run(&histories, |(history, steps, seen)| {
        Histories::test_sequential(config.clone(), History { kind, ..history }, steps, seen);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What the choice of the next step hangs on; what must be true is the world's [`Model`](crate::model::Model), for it hangs on
/// where exactly a process died.
#[derive(Clone, Debug)]
struct History {
    kind: Kind,
    seed: u64,
    starts: usize,
}

impl ReferenceStateMachine for History {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        any::<u64>().prop_map(|seed| Self { kind: Kind::Sqlite, seed, starts: 0 }).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        prop_oneof![
            14 => any_work().prop_map(Step::Do),
            4 => (any_work(), 0..8_usize).prop_map(|(work, at)| Step::Crash(work, at)),
            3 => Just(Step::Settle),
            3 => select(vec![1, 3, 20, 120, 3600, 3 * 3600]).prop_map(|seconds| Step::Wait(Span::from_seconds(seconds))),
            3 => any_fault().prop_map(Step::ChangeFails),
            2 => any_read_fault().prop_map(Step::ReadFails),
            1 => (1..10_i64).prop_map(|seconds| Step::Lag(Span::from_seconds(seconds))),
            1 => (0..2_usize, 0..4_usize).prop_map(|(resource, rules)| Step::Quota { resource, rules }),
            1 => Just(Step::Heal),
            3 => any_edit().prop_map(Step::Edit),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        let needs_a_session =
            matches!(step, Step::Do(work) | Step::Crash(work, _) if matches!(work, Work::Stop(_) | Work::Extend(..)));
        !needs_a_session || state.starts > 0
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.starts += usize::from(matches!(step, Step::Do(Work::Start { .. })));
        state
    }
}

fn any_work() -> impl Strategy<Value = Work> {
    let from = select(vec![From::Home, From::Cafe, From::Both]);
    prop_oneof![
        4 => (0..3_usize, from, 1..=8_i64).prop_map(|(member, from, hours)| Work::Start { member, from, hours }),
        3 => (0..6_usize).prop_map(Work::Stop),
        2 => (0..6_usize, 1..4_i64).prop_map(|(session, hours)| Work::Extend(session, hours)),
        8 => Just(Work::Pass),
        2 => Just(Work::Clock),
        2 => Just(Work::Sweep),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Throttled),
        Just(Fault::Denied),
        Just(Fault::QuotaReached),
        Just(Fault::RequestLost),
        Just(Fault::AnswerLost),
        (1..90_i64).prop_map(|seconds| Fault::Late(Span::from_seconds(seconds))),
        Just(Fault::Pretended),
    ]
}

fn any_read_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        any_fault(),
        (1..120_i64).prop_map(|seconds| Fault::Stale(Span::from_seconds(seconds))),
        (0..3_usize).prop_map(Fault::Short),
    ]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let from = select(vec![From::Home, From::Cafe]);
    let rule = || (0..2_usize, 0..6_usize);
    prop_oneof![
        (0..2_usize, from, 0..2_usize).prop_map(|(resource, from, part)| Edit::AddSame { resource, from, part }),
        (0..2_usize).prop_map(|resource| Edit::AddOther { resource }),
        rule().prop_map(|(resource, rule)| Edit::Delete { resource, rule }),
        rule().prop_map(|(resource, rule)| Edit::Widen { resource, rule }),
        rule().prop_map(|(resource, rule)| Edit::Strip { resource, rule }),
        rule().prop_map(|(resource, rule)| Edit::Restore { resource, rule }),
    ]
}

/// A world in a runtime of its own: a state machine's steps are no futures.
struct Running {
    world: World,
    runtime: Runtime,
    // Something happened that only a sweep can put right.
    needs_sweep: bool,
}

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = Running;
    type Reference = History;

    fn init_test(history: &History) -> Running {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let world = runtime.block_on(World::new(history.kind, history.seed));
        Running { world, runtime, needs_sweep: false }
    }

    fn apply(mut running: Running, _: &History, step: Step) -> Running {
        let late = matches!(step, Step::ChangeFails(Fault::Late(_) | Fault::Pretended));
        let lies = matches!(step, Step::ReadFails(Fault::Stale(_) | Fault::Short(_)));
        running.needs_sweep |= late || lies || matches!(step, Step::Edit(_) | Step::Lag(_));
        running.runtime.block_on(running.world.step(&step));
        running
    }

    fn check_invariants(running: &Running, _: &History) {
        running.runtime.block_on(running.world.check());
    }

    fn teardown(mut running: Running, _: History) {
        running.runtime.block_on(async {
            let world = &mut running.world;
            if !running.needs_sweep {
                world.cloud.heal();
                world.settle().await;
                world.check_at_rest().await;
            }
            world.come_to_rest().await;
            world.check_at_rest().await;
            // And when all time has run out, nothing of ours is left.
            world.step(&Step::Wait(Span::from_hours(9))).await;
            world.settle().await;
            world.check_at_rest().await;
            world.database.drop_it().await;
        });
    }
}
