//! What can happen next, and what must hold whatever happens.

use stateright::{Model, Property};

use super::world::{Session, Step, Variant, World};

/// The model: a variant of the protocol, and how many faults it has to stand.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub variant: Variant,
    pub sessions: usize,
    pub faults: u8,
    /// Whether lists may lag, and rules be taken away by hand.
    pub lies: bool,
}

/// Something that happens. The numbers are places in [`World`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A session starts: `engine/start.rs`, one transaction.
    Start(usize),
    /// A session is stopped or runs out: `engine/stop.rs` and `reconcile/expire.rs`, one transaction.
    End(usize),
    /// A worker leases the resource and writes its intent: `reconcile/claim.rs`, `claim`, one transaction. A fault where
    /// somebody is still at work.
    Lease(usize),
    /// A worker leases the resource and reads its list, to sweep it: `reconcile/sweep.rs`, `sweep_resource`. A fault where
    /// somebody is still at work.
    Sweep(usize),
    /// A sweep compares what it has read with the openings, and calls: `reconcile/compare.rs`, `compare`.
    Compare(usize),
    /// The cloud does what a worker asked for, and answers.
    Answer(usize),
    /// A fault. The cloud answers OK to a removal that it did not do, as EC2's revoke may.
    AnswerFalsely(usize),
    /// A fault. The cloud refuses an addition for a reason of the resource, which is remembered: `reconcile/blocked.rs`.
    Refuse(usize),
    /// One of the additions that wait for a resource is tried again: its time comes, or something has changed.
    Probe,
    /// A fault. A worker waits no longer: the call is late, or it was done and its answer is lost (`reconcile/pass.rs`,
    /// `call`).
    GiveUp(usize),
    /// A worker reads the list and judges: `reconcile/act.rs`, `observe`, and `reconcile/judge.rs`.
    ReadBack(usize),
    /// A fault. The list could not be read.
    ReadNothing(usize),
    /// A worker records its outcome: `reconcile/record.rs`, `record`.
    Record(usize),
    /// A fault. A worker dies, and its lease runs out; the call that it had made is late.
    Crash(usize),
    /// A fault. A worker reads a list that lags by one change.
    ReadBackLagging(usize),
    /// A fault. A sweep reads a list that lags by one change.
    SweepLagging(usize),
    /// A fault. A rule of ours is removed by hand.
    TakeAway,
    /// A late call is done.
    Arrive(usize),
    /// A late call is lost for good.
    Vanish(usize),
}

impl Action {
    fn is_fault(&self, world: &World) -> bool {
        match self {
            Self::AnswerFalsely(_) | Self::Refuse(_) | Self::GiveUp(_) | Self::ReadNothing(_) | Self::Crash(_) => true,
            Self::ReadBackLagging(_) | Self::SweepLagging(_) | Self::TakeAway => true,
            Self::Lease(_) | Self::Sweep(_) => world.workers.iter().flatten().any(|pass| pass.holds_lease),
            _ => false,
        }
    }
}

/// I1, and I6 for what is taken away.
pub const NOTHING_IS_LEFT_OPEN: &str = "when nothing is left to do and no session lives, no rule of ours is there";
/// I1, where an answer OK is no proof.
pub const GONE_IS_GONE: &str = "what is recorded as gone is gone, unless a late call brings it back";
/// I2.
pub const ACTIVE_HAS_ITS_RULE: &str = "a session that reads ACTIVE has its rule";
/// I3.
pub const FOREIGN_RULES_STAND: &str = "a foreign rule is never removed";
/// I6, for what is wanted.
pub const EVERY_WISH_IS_GRANTED: &str = "when nothing is left to do, every live session reads ACTIVE";

/// I9: a list that lags is no news.
pub const ONE_LIST_IS_NO_NEWS: &str = "no session reads less than ACTIVE by one list that lags";
/// I2, where lists lie.
pub const LISTS_TAKE_NOTHING: &str = "no rule that is wanted is removed for what lists show";

/// I6 again: what waits or is tried again does not do so for ever.
pub const IT_COMES_TO_REST: &str = "without further faults, nothing is left to do in the end";

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.sessions, false), World::new(self.sessions, true)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (at, session) in world.sessions.iter().enumerate() {
            match session {
                Session::NotStarted => actions.push(Action::Start(at)),
                Session::Live { .. } => actions.push(Action::End(at)),
                Session::Ended => {}
            }
        }
        for (at, pass) in world.workers.iter().enumerate() {
            match pass.as_ref().map(|pass| &pass.step) {
                None if self.lies => actions.extend([Action::Lease(at), Action::Sweep(at), Action::SweepLagging(at)]),
                None => actions.extend([Action::Lease(at), Action::Sweep(at)]),
                Some(Step::Listed(_)) => actions.extend([Action::Compare(at), Action::Crash(at)]),
                Some(Step::Calling(_)) => {
                    actions.extend([Action::Answer(at), Action::AnswerFalsely(at), Action::Refuse(at)]);
                    actions.extend([Action::GiveUp(at), Action::Crash(at)]);
                }
                Some(Step::Answered { .. }) => {
                    actions.extend([Action::ReadBack(at), Action::ReadNothing(at), Action::Crash(at)]);
                    actions.extend(self.lies.then_some(Action::ReadBackLagging(at)));
                }
                Some(Step::Judged { .. }) => actions.extend([Action::Record(at), Action::Crash(at)]),
            }
        }
        actions.extend(self.lies.then_some(Action::TakeAway));
        actions.extend(world.blocked.then_some(Action::Probe));
        actions.extend((0..world.late.len()).flat_map(|at| [Action::Arrive(at), Action::Vanish(at)]));
        actions.retain(|action| !action.is_fault(world) || world.faults < self.faults);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.faults += u8::from(action.is_fault(world));
        match action {
            Action::Start(session) => next.start(session, self.variant),
            Action::End(session) => next.end(session),
            Action::Lease(worker) => next.claim(worker, self.variant)?,
            Action::Sweep(worker) => next.sweep(worker, next.cloud, self.variant)?,
            Action::SweepLagging(worker) => {
                let list = next.lagging_list()?;
                next.sweep(worker, list, self.variant)?;
            }
            Action::TakeAway => next.take_away(self.lies)?,
            Action::Compare(worker) => next.compare(worker, self.variant)?,
            Action::Answer(worker) => next.answer(worker, self.lies)?,
            Action::AnswerFalsely(worker) => next.answer_falsely(worker)?,
            Action::Refuse(worker) => next.refuse(worker)?,
            Action::Probe => next.probe(self.variant)?,
            Action::GiveUp(worker) => next.give_up(worker)?,
            Action::ReadBack(worker) => next.read_back(worker, next.cloud, self.variant),
            Action::ReadBackLagging(worker) => {
                let list = next.lagging_list()?;
                next.read_back(worker, list, self.variant);
            }
            Action::ReadNothing(worker) => next.read_nothing(worker)?,
            Action::Record(worker) => next.record(worker, self.variant),
            Action::Crash(worker) => next.crash(worker)?,
            Action::Arrive(call) => {
                let call = next.late.remove(call);
                next.apply(&call, true, self.lies);
            }
            Action::Vanish(call) => {
                next.late.remove(call);
            }
        }
        Some(next.sorted())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ACTIVE_HAS_ITS_RULE, |this: &Self, world: &World| {
                // What a hand took is noticed by the next looks.
                let unnoticed = world.taken && !world.is_settled(this.variant);
                !world.someone_is_active() || world.cloud.is_some() || unnoticed
            }),
            Property::always(ONE_LIST_IS_NO_NEWS, |_, world: &World| !world.flapped),
            Property::always(LISTS_TAKE_NOTHING, |_, world: &World| !world.cut),
            Property::always(GONE_IS_GONE, |_, world: &World| world.gone_is_gone()),
            Property::always(NOTHING_IS_LEFT_OPEN, |this: &Self, world: &World| {
                !world.is_settled(this.variant) || world.someone_lives() || world.cloud.is_none_or(|rule| rule.mark.is_none())
            }),
            Property::always(FOREIGN_RULES_STAND, |_, world: &World| world.foreign_rule_stands()),
            Property::always(EVERY_WISH_IS_GRANTED, |this: &Self, world: &World| {
                !world.is_settled(this.variant) || !world.someone_waits()
            }),
            Property::always(IT_COMES_TO_REST, |this: &Self, world: &World| {
                !world.is_quiet() || world.comes_to_rest(this.variant)
            }),
            Property::sometimes("all sessions read ACTIVE", |_, world: &World| world.all_are_active()),
            Property::sometimes("all is gone again", |this: &Self, world: &World| {
                world.is_settled(this.variant)
                    && world.cloud.is_none()
                    && world.sessions.iter().all(|session| *session == Session::Ended)
            }),
            Property::sometimes("a new instance waits for the old one", |_, world: &World| world.a_wish_waits()),
            Property::sometimes("a wish waits for a resource that refused it", |_, world: &World| {
                world.blocked && world.someone_waits()
            }),
            Property::sometimes("a late call leaves a rule that only a sweep finds", |_, world: &World| {
                world.is_quiet() && world.orphan().is_some()
            }),
        ]
    }
}
