//! Closing without the database, modelled: one replica still has the database, one has lost it and goes by the tags.
//!
//! There is one session and one rule, which is there from the start; the session may be extended once. Time counts here, in ticks, and
//! goes on only when nobody could take a step that the code takes at once. A process may stand still at any step, and for any time.
//! The steps are those of `reconcile/offline/close.rs` on one side, and of `engine/extend.rs`, `reconcile/expire.rs` and a pass on the other.
//!
//! A fault is the end of a replica (or of its database, for good), a removal that is answered OK and not done, or a tag that moves
//! late: the provider has refused for longer than the margin to move it. Only then may a rule be cut that was just given more time,
//! and then it is made again.

use stateright::{Checker, Model, Property};

/// When the session ends, and when it does once it was extended.
const END: u8 = 1;
const LATER_END: u8 = 4;
/// How long a tag has to be over, as `offline::MARGIN`.
const MARGIN: u8 = 2;
/// Here time stops.
const LAST: u8 = LATER_END + MARGIN + 2;

/// What is changed about the protocol, to see what each of its rules is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// Nothing: as the code does it.
    Sound,
    /// Removes what it remembers to be over, and reads no tag.
    CutsByMemory,
    /// Reads the tags once, and removes a rule when the tag that it read then is over.
    ActsOnAnOldRead,
    /// Removes a rule as soon as its tag is over.
    NoMargin,
    /// Reads a list only where it remembers that something is over there.
    LooksByMemoryAlone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rule {
    id: u8,
    tag: u8,
}

/// The replica that has the database, and the session there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Healthy {
    alive: bool,
    end: u8,
    ended: bool,
    // The end that people were told of: the tag was seen to bear it.
    confirmed: u8,
    moved: bool,
}

/// How far the replica is that has lost the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CutOff {
    Idle,
    /// It has read this rule, once or twice.
    Read(Rule),
    ReadAgain(Rule),
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    rule: Option<Rule>,
    made: u8,
    healthy: Healthy,
    cut_off: CutOff,
    // When the tag is over as far as the replica knew before it lost the database; it need not have heard of the rule.
    remembered: Option<u8>,
    cut_early: bool,
    cut: bool,
    // The cut-off replica has let time go by while it was idle and a rule overdue.
    missed: bool,
    late: bool,
    faults: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Time goes on.
    Tick,
    /// A fault. It goes on although a tag is still to be moved.
    LateTick,
    /// `engine/extend.rs`.
    Extend,
    /// `reconcile/expire.rs`.
    Expire,
    /// A pass moves the tag.
    MoveTag,
    /// The same pass reads back and records.
    Confirm,
    /// A pass removes the rule.
    Remove,
    /// A sweep finds a wanted rule missing, and a pass adds another one.
    Remake,
    /// A fault. The replica that has the database dies, or loses it too.
    LoseHealthy,
    /// The cut-off replica reads the list.
    Read,
    /// It reads the list again.
    ReadAgain,
    /// It removes, by the provider's rule id.
    Cut,
    /// A fault. The provider answers OK to that, and removes nothing.
    Pretend,
    /// A fault. It dies.
    Crash,
}

impl Action {
    const fn is_fault(self) -> bool {
        matches!(self, Self::LateTick | Self::LoseHealthy | Self::Pretend | Self::Crash)
    }
}

struct Protocol {
    variant: Variant,
    faults: u8,
}

const NEVER_EARLY: &str = "no rule is cut before its tag is over, unless that moved too late";
const CONFIRMED_HAS_ITS_RULE: &str =
    "a session has its rule until the end that people were told of, unless the tag moved too late";
const CLOSED_IN_TIME: &str = "the cut-off replica is never idle for long while a rule is overdue";
const MADE_AGAIN: &str = "in the end a live session has its rule, where somebody has the database";

impl World {
    fn is_over(&self, tag: u8, margin: u8) -> bool {
        tag + margin <= self.now
    }

    fn lives(&self) -> bool {
        !self.healthy.ended && self.now < self.healthy.end
    }

    fn tag_is_to_move(&self) -> bool {
        let other = |rule: Rule| rule.tag != self.healthy.end;
        self.healthy.alive && !self.healthy.ended && (self.healthy.moved || self.rule.is_some_and(other))
    }

    /// What the replica with the database does at once.
    fn healthy_steps(&self) -> Vec<Action> {
        let Healthy { alive, end, ended, moved, .. } = self.healthy;
        let mut steps = Vec::new();
        if alive && !ended && self.now >= end {
            steps.push(Action::Expire);
        }
        if alive && moved {
            steps.push(Action::Confirm);
        } else if self.tag_is_to_move() {
            steps.push(Action::MoveTag);
        }
        if alive && ended && self.rule.is_some() {
            steps.push(Action::Remove);
        }
        // A broken protocol would go on for ever.
        if alive && self.lives() && self.rule.is_none() && !moved && self.made < LAST {
            steps.push(Action::Remake);
        }
        steps
    }

    fn first_read(&self, variant: Variant) -> Option<CutOff> {
        let rule = self.rule?;
        let remembers = |margin| self.remembered.is_some_and(|tag| self.is_over(tag, margin));
        match variant {
            Variant::Sound => self.is_over(rule.tag, MARGIN).then_some(CutOff::Read(rule)),
            Variant::NoMargin => self.is_over(rule.tag, 0).then_some(CutOff::Read(rule)),
            Variant::LooksByMemoryAlone => (remembers(MARGIN) && self.is_over(rule.tag, MARGIN)).then_some(CutOff::Read(rule)),
            Variant::CutsByMemory => remembers(MARGIN).then_some(CutOff::ReadAgain(rule)),
            Variant::ActsOnAnOldRead => Some(CutOff::Read(rule)),
        }
    }

    fn read_again(&self, before: Rule, variant: Variant) -> Option<CutOff> {
        let still = |margin| {
            let fresh = self.rule.filter(|rule| rule.id == before.id && self.is_over(rule.tag, margin));
            Some(fresh.map_or(CutOff::Idle, CutOff::ReadAgain))
        };
        match variant {
            Variant::NoMargin => still(0),
            Variant::ActsOnAnOldRead => self.is_over(before.tag, MARGIN).then_some(CutOff::ReadAgain(before)),
            _ => still(MARGIN),
        }
    }

    fn tick(&mut self) {
        self.missed |= self.cut_off == CutOff::Idle && self.rule.is_some_and(|rule| self.is_over(rule.tag, MARGIN));
        self.now += 1;
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let healthy = Healthy { alive: true, end: END, ended: false, confirmed: END, moved: false };
        let world = |remembered| World {
            now: 0,
            rule: Some(Rule { id: 1, tag: END }),
            made: 1,
            healthy,
            cut_off: CutOff::Idle,
            remembered,
            cut_early: false,
            cut: false,
            missed: false,
            late: false,
            faults: 0,
        };
        vec![world(Some(END)), world(None)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let steps = world.healthy_steps();
        // A tag that is not over yet, or only just is, may still be on its way to another end.
        let may_wait =
            steps.is_empty() || steps == [Action::MoveTag] && world.rule.is_some_and(|rule| !world.is_over(rule.tag, 1));
        let looks =
            world.cut_off == CutOff::Idle && world.first_read(self.variant).is_some() && self.variant != Variant::ActsOnAnOldRead;
        if world.now < LAST && !looks {
            actions.push(if may_wait { Action::Tick } else { Action::LateTick });
        }
        if world.healthy.alive && !world.healthy.ended && world.healthy.end == END && world.now < END {
            actions.push(Action::Extend);
        }
        actions.extend(steps);
        if world.healthy.alive {
            actions.push(Action::LoseHealthy);
        }
        match world.cut_off {
            CutOff::Idle if world.first_read(self.variant).is_some() => actions.extend([Action::Read, Action::Crash]),
            CutOff::Idle | CutOff::Dead => {}
            CutOff::Read(before) if world.read_again(before, self.variant).is_some() => {
                actions.extend([Action::ReadAgain, Action::Crash]);
            }
            CutOff::Read(_) => {}
            CutOff::ReadAgain(_) => actions.extend([Action::Cut, Action::Pretend, Action::Crash]),
        }
        actions.retain(|action| !action.is_fault() || world.faults < self.faults);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.faults += u8::from(action.is_fault());
        match action {
            Action::Tick => next.tick(),
            Action::LateTick => {
                next.late |= world.tag_is_to_move();
                next.tick();
            }
            Action::Extend => next.healthy.end = LATER_END,
            Action::Expire => next.healthy.ended = true,
            Action::MoveTag => {
                next.rule = world.rule.map(|rule| Rule { tag: world.healthy.end, ..rule });
                next.healthy.moved = true;
            }
            Action::Confirm => {
                let bears = |rule: Rule| rule.tag == world.healthy.end;
                next.healthy.moved = false;
                if world.rule.is_some_and(bears) {
                    next.healthy.confirmed = world.healthy.end;
                }
            }
            Action::Remove => next.rule = None,
            Action::Remake => {
                next.made += 1;
                next.rule = Some(Rule { id: next.made, tag: world.healthy.end });
                next.healthy.confirmed = world.healthy.end;
            }
            Action::LoseHealthy => next.healthy.alive = false,
            Action::Read => next.cut_off = world.first_read(self.variant)?,
            Action::ReadAgain => {
                let CutOff::Read(before) = world.cut_off else { return None };
                next.cut_off = world.read_again(before, self.variant)?;
            }
            Action::Cut => {
                let CutOff::ReadAgain(before) = world.cut_off else { return None };
                next.cut_off = CutOff::Idle;
                if let Some(rule) = world.rule.filter(|rule| rule.id == before.id) {
                    next.rule = None;
                    next.cut = true;
                    next.cut_early |= !world.is_over(rule.tag, 0);
                }
            }
            Action::Pretend => next.cut_off = CutOff::Idle,
            Action::Crash => next.cut_off = CutOff::Dead,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEVER_EARLY, |_, world: &World| !world.cut_early || world.late),
            Property::always(CONFIRMED_HAS_ITS_RULE, |_, world: &World| {
                world.late || world.healthy.ended || world.now >= world.healthy.confirmed || world.rule.is_some()
            }),
            Property::always(CLOSED_IN_TIME, |_, world: &World| !world.missed),
            Property::always(MADE_AGAIN, |_, world: &World| {
                !world.healthy.alive || !world.healthy_steps().is_empty() || !world.lives() || world.rule.is_some()
            }),
            Property::sometimes("a rule is closed without the database", |_, world: &World| world.cut),
            Property::sometimes("an extension keeps its rule", |_, world: &World| {
                world.healthy.confirmed == LATER_END && world.now > END + MARGIN && world.rule.is_some()
            }),
            Property::sometimes("a rule whose tag moved late is cut and made again", |_, world: &World| {
                world.cut_early && world.lives() && world.rule.is_some()
            }),
        ]
    }
}

#[test]
fn closing_without_the_database_holds_to_three_faults() {
    let checker = Protocol { variant: Variant::Sound, faults: 3 }.checker().spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// The session is extended, and its tag moves. The cut-off replica remembers the old end, and cuts it.
#[test]
fn i2_cutting_by_memory_cuts_an_extended_session() {
    breaks(Variant::CutsByMemory, CONFIRMED_HAS_ITS_RULE, 8);
}

/// The cut-off replica reads the tag, the session is extended, and the tag moves. When the end that was read is over, it cuts.
#[test]
fn i2_acting_on_an_old_read_cuts_an_extended_session() {
    breaks(Variant::ActsOnAnOldRead, CONFIRMED_HAS_ITS_RULE, 9);
}

/// A session is extended right before its end. The cut-off replica reads the tag, which is just over, twice; now the tag moves.
#[test]
fn i2_without_a_margin_an_extension_in_the_last_moment_is_cut() {
    breaks(Variant::NoMargin, NEVER_EARLY, 6);
}

/// The replica that opened the rule loses the database too, and the other one has not heard of the rule.
#[test]
fn i1_looking_by_memory_alone_leaves_a_rule_of_another_replica_open() {
    breaks(Variant::LooksByMemoryAlone, CLOSED_IN_TIME, 5);
}

/// Finds the shortest way to a state in which the property does not hold, and says so where that is another one than is told.
fn breaks(variant: Variant, property: &'static str, steps: usize) {
    let within = |depth| {
        let checker = Protocol { variant, faults: 1 }.checker().target_max_depth(depth).spawn_bfs().join();
        checker.discovery(property)
    };
    within(usize::MAX).expect("the broken protocol should break");
    let found = (1..).find_map(within).expect("it is found at some depth").into_actions();
    assert_eq!(found.len(), steps, "{variant:?}: {property:?} breaks after {} steps: {found:?}", found.len());
}
