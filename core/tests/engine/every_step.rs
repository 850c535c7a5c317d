//! Every step of a few short histories: the process dies there, and each call to the cloud goes wrong in each way. The end is the
//! same as without, and so every step that came before the death is also tried twice.

use std::collections::BTreeSet;

use entryguard_core::crash::{CrashPoint, Watch};
use entryguard_core::domain::{SessionStatus, Span};
use entryguard_core::provider::{Call, Fault};

use crate::database::Kind;
use crate::process::PARTS;
use crate::step::{Edit, From, Step, Work};
use crate::world::World;

type History = (&'static str, Vec<Step>);

fn histories() -> Vec<History> {
    let start = |member, from, hours| Step::Do(Work::Start { member, from, hours });
    let stop = |number| Step::Do(Work::Stop(number));
    let wait = |minutes| Step::Wait(Span::from_minutes(minutes));
    let restore = Step::Edit(Edit::Restore { resource: 0, rule: 0 });
    let widen = Step::Edit(Edit::Widen { resource: 0, rule: 0 });
    vec![
        ("a start", vec![start(0, From::Both, 2), Step::Settle]),
        ("a start and a stop", vec![start(0, From::Home, 2), Step::Settle, stop(0), Step::Settle]),
        ("a stop before anything was done", vec![start(0, From::Home, 2), stop(0), Step::Settle]),
        (
            "an extension, and the end",
            vec![start(0, From::Home, 1), Step::Settle, Step::Do(Work::Extend(0, 1)), Step::Settle, wait(120), Step::Settle],
        ),
        (
            "two sessions that share their openings",
            vec![start(0, From::Home, 1), start(1, From::Home, 2), Step::Settle, stop(1), Step::Settle, wait(60), Step::Settle],
        ),
        (
            "a rule of ours that somebody put back, and a sweep",
            vec![start(2, From::Home, 2), Step::Settle, stop(0), Step::Settle, restore, Step::Do(Work::Sweep)],
        ),
        (
            "a rule that was widened by hand, and a sweep",
            vec![start(2, From::Home, 4), Step::Settle, wait(2), widen, Step::Do(Work::Sweep), Step::Settle],
        ),
    ]
}

#[tokio::test]
async fn i6_a_death_at_any_step_comes_to_the_same_end() {
    let mut reached = BTreeSet::new();
    for history in histories() {
        reached.extend(die_at_every_step(Kind::Sqlite, &history).await);
    }
    let never: Vec<_> = CrashPoint::ALL.iter().filter(|point| !reached.contains(point)).map(|point| point.as_str()).collect();
    assert!(never.is_empty(), "no history comes to these steps; give one to `histories`: {never:?}");
}

#[tokio::test]
async fn i6_a_death_at_any_step_comes_to_the_same_end_on_postgres() {
    for history in histories().into_iter().filter(|(name, _)| POSTGRES.contains(name)) {
        die_at_every_step(Kind::Postgres, &history).await;
    }
}

/// Making a database takes longer there.
const POSTGRES: [&str; 2] = ["a start and a stop", "a rule that was widened by hand, and a sweep"];

#[tokio::test]
async fn i6_a_call_that_goes_wrong_in_any_way_comes_to_the_same_end() {
    for (name, steps) in histories() {
        let calm = Run::new(Kind::Sqlite).await.live(&steps).await;
        for Call { number, name: call, .. } in &calm.calls {
            let late = Fault::Late(Span::from_seconds(30));
            let changes = [Fault::Throttled, Fault::Denied, Fault::RequestLost, Fault::AnswerLost, late, Fault::Pretended];
            let faults: &[Fault] = if *call == "observe" { &[Fault::Throttled] } else { &changes };
            for fault in faults {
                let run = Run::new(Kind::Sqlite).await;
                run.world.cloud.fault_at(*number, *fault);
                let end = run.live(&steps).await.end;
                assert_eq!(end, calm.end, "{name}: call {number}, {call}, {fault:?}");
            }
        }
    }
}

/// The steps that a history comes to.
async fn die_at_every_step(kind: Kind, (name, steps): &History) -> Vec<CrashPoint> {
    let calm = Run::new(kind).await.live(steps).await;
    for (number, point) in calm.reached.iter().enumerate() {
        let run = Run { watch: Watch::dying_at(number), ..Run::new(kind).await };
        let lived = run.live(steps).await;
        assert_eq!(lived.reached.last(), Some(point), "{name}: a history comes to the same steps each time");
        assert_eq!(lived.end, calm.end, "{name}: died at step {number}, {point}");
    }
    calm.reached
}

/// A history that is lived once.
struct Run {
    world: World,
    watch: Watch,
}

/// What came of it.
struct Lived {
    /// The steps up to the death, if there was one.
    reached: Vec<CrashPoint>,
    /// The calls until all faults were over.
    calls: Vec<Call>,
    end: End,
}

/// What must be the same, however it came about.
#[derive(Debug, PartialEq, Eq)]
struct End {
    sessions: Vec<(SessionStatus, Vec<String>)>,
    rules: BTreeSet<String>,
}

impl Run {
    async fn new(kind: Kind) -> Self {
        Self { world: World::new(kind, 7).await, watch: Watch::only() }
    }

    async fn live(mut self, steps: &[Step]) -> Lived {
        let first_watch = self.watch.clone();
        for step in steps {
            self.step(step).await;
            self.world.check().await;
        }
        let calls = self.world.cloud.calls();
        self.world.come_to_rest().await;
        self.world.check_at_rest().await;
        let end = self.end().await;
        self.world.database.drop_it().await;
        Lived { reached: first_watch.reached(), calls, end }
    }

    /// Does a step; once more where the process died in it and it did not come true, as whoever wanted it would.
    async fn step(&mut self, step: &Step) {
        let before = self.world.model.clone();
        let died = match step {
            Step::Do(work) => self.world.work(*work, &self.watch).await.is_none(),
            Step::Settle => self.world.settle_watched(&self.watch).await.is_none(),
            other => {
                self.world.step(other).await;
                false
            }
        };
        if died {
            self.watch = Watch::only();
            self.world.restart().await;
            let user_asked = matches!(step, Step::Do(Work::Start { .. } | Work::Extend(..)));
            if !(user_asked && self.world.model != before) {
                self.world.step(step).await;
            }
        }
    }

    async fn end(&self) -> End {
        let mut sessions = Vec::new();
        for expected in &self.world.model.sessions {
            let mut events = self.world.audit_of(&expected.id).await;
            // How often it was told that it does not work yet is part of the way, and not of the end.
            events.retain(|event| !["rule.failed", "session.partial", "session.failed"].contains(&event.as_str()));
            events.sort();
            sessions.push((self.world.view(&expected.id).await.status(), events));
        }
        let rules = PARTS.iter().flat_map(|(name, _)| {
            let rules = self.world.rules(name).into_iter();
            rules.map(move |rule| format!("{name} {} {} {}", rule.source, rule.part, rule.mark.is_some()))
        });
        End { sessions, rules: rules.collect() }
    }
}
