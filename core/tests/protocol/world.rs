//! Everything that the protocol's parties know and have done: one state of the model.
//!
//! There is one resource with one part, and one address that all sessions want. Time is left out: what the code does after a
//! delay (a try again, a lease that runs out) may happen here at any moment.

/// What is changed about the protocol, to see what each of its rules is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Nothing: the protocol as the code runs it.
    Sound,
    /// A removal names the address, and not the provider's rule id.
    RemovesByAddress,
    /// A wish that comes during a removal takes the old instance back, instead of making a new one.
    RevivesRemovals,
    /// A worker that lost its lease records its outcome all the same.
    NoFence,
    /// A removal is written down with its outcome only, and not before the call.
    IntentAfterCall,
    /// A removal is final once it was answered OK, whatever the list shows.
    BelievesAnswers,
    /// Nothing looks for rules that no pass knows of.
    NeverSweeps,
    /// One list that does not show a rule is enough to take it for gone.
    BelievesOneList,
    /// What is taken for gone while it is wanted is recorded as gone, and a new instance is made for it.
    ReplacesWhatIsGone,
    /// A doubt from before a removal counts as a read that did not show the rule after it.
    KeepsDoubts,
    /// A resource that refused an addition is never tried again.
    NeverProbes,
    /// What was never tried is recorded as gone, without an intent before.
    DropsTheUntried,
}

/// A state: the database (`sessions`, `openings`), the workers, and the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Sorted, for nobody can tell which of them is which.
    pub sessions: Vec<Session>,
    /// In the order of their making.
    pub openings: Vec<Opening>,
    /// What each worker is at; nothing where it is idle. Sorted, as the sessions are.
    pub workers: [Option<Pass>; 2],
    /// The rule for the address: a cloud has one rule of a shape at the most.
    pub cloud: Option<Rule>,
    /// What was there before the last change: a list that lags shows it. Nothing is kept where no list lies.
    pub before: Option<Rule>,
    /// Calls on their way whose sender does not wait for them any more. Sorted: they may arrive in any order, or never.
    pub late: Vec<Call>,
    /// How many rules the cloud has made, which is the last one's id.
    pub made: u8,
    /// How many faults there were.
    pub faults: u8,
    /// Whether somebody else's rule lets the address in from the start.
    pub foreign: bool,
    /// How many lists lagged, up to two.
    pub lagged: u8,
    /// Whether a rule of ours was removed by hand.
    pub taken: bool,
    /// Whether a session read less than ACTIVE for no more than one list that lagged, while its rule was there and always had been.
    pub flapped: bool,
    /// Whether we removed a rule that was given up because of what lists showed.
    pub cut: bool,
    /// Whether the resource remembers that it refused an addition (`domain/block.rs`).
    pub blocked: bool,
}

/// A session, with its one session rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Session {
    NotStarted,
    /// It wants its opening, and reads ACTIVE or something less.
    Live {
        opening: usize,
        active: bool,
    },
    Ended,
}

/// An instance of the rule, as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opening {
    pub state: OpeningState,
    /// The rule that it was seen to be made of.
    pub rule: Option<RuleId>,
    /// Whether a read has not shown its rule any more, after it was told to go or while it is wanted (`unseen_since`).
    pub unseen: bool,
    /// How often its removal was tried since it last came good: never, once, or more often.
    pub attempts: u8,
    /// Whether a worker is to look at it, now or after a delay.
    pub due: bool,
    /// Whether it was recorded as gone because of what lists showed, and was never told to go.
    pub given_up: bool,
    /// Whether the cloud may have been asked for it (`was_tried`).
    pub tried: bool,
}

/// As `domain::OpeningState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpeningState {
    Adding,
    Present,
    Removing,
    Gone,
}

/// A worker's pass over the resource, or its sweep of it (which plans for no opening).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pass {
    /// Whether the worker's fence is still the resource's: false once somebody else has taken the lease over.
    pub holds_lease: bool,
    pub step: Step,
    /// The openings of the plan, as they were read and are to be recorded.
    pub plan: Vec<(usize, Opening)>,
    /// Whether the resource itself refused the addition.
    pub refused: bool,
}

/// How far a pass is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A sweep has read the list, with this rule on it, and is to compare it with the openings.
    Listed(Option<Rule>),
    /// The call is made, and its answer not there yet.
    Calling(Call),
    /// The call is answered, or given up; the list is to be read.
    Answered { failed: bool },
    /// The verdicts are to be recorded, with what the list showed if it was read.
    Judged { list: Option<Option<Rule>> },
}

/// A change that the cloud is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Make a rule for the address, marked with the opening.
    Add { opening: usize },
    /// Remove these rules.
    Remove { rules: Vec<RuleId> },
    /// Remove whatever lets the address in.
    RemoveAddress,
}

/// The provider's name of a rule: never given twice.
pub type RuleId = u8;

/// The id of somebody else's rule; ours are counted from one.
pub const FOREIGN: RuleId = 0;

/// A rule in the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    pub id: RuleId,
    /// The opening that it is marked with; nothing where it is not ours.
    pub mark: Option<usize>,
    /// Whether nobody with the lease waited for it when it was made.
    pub late: bool,
}

impl Opening {
    /// A new instance.
    pub const fn new() -> Self {
        Self { state: OpeningState::Adding, rule: None, unseen: false, attempts: 0, due: true, given_up: false, tried: false }
    }

    /// As `Opening::is_closing`: its removal is still to be called for.
    pub const fn is_closing(&self) -> bool {
        matches!(self.state, OpeningState::Removing) && !self.unseen
    }
}

impl Pass {
    /// Whether it is a sweep.
    pub fn is_sweep(&self) -> bool {
        self.plan.is_empty()
    }
}

impl World {
    /// Before anything has happened.
    pub fn new(sessions: usize, foreign: bool) -> Self {
        let rule = Rule { id: FOREIGN, mark: None, late: false };
        Self {
            sessions: vec![Session::NotStarted; sessions],
            openings: Vec::new(),
            workers: [None, None],
            cloud: foreign.then_some(rule),
            before: None,
            late: Vec::new(),
            made: FOREIGN,
            faults: 0,
            foreign,
            lagged: 0,
            taken: false,
            flapped: false,
            cut: false,
            blocked: false,
        }
    }

    /// Makes one of all states that differ in the names of sessions and workers alone.
    pub fn sorted(mut self) -> Self {
        self.sessions.sort();
        self.workers.sort();
        self.late.sort();
        self
    }

    /// Whether no worker is at work and no call on its way.
    pub fn is_quiet(&self) -> bool {
        self.workers.iter().all(Option::is_none) && self.late.is_empty()
    }

    /// Whether nothing is left to do: for the workers, the cloud, and a sweep if there is any.
    pub fn is_settled(&self, variant: Variant) -> bool {
        let swept = variant == Variant::NeverSweeps || self.orphan().is_none() && !self.something_is_missing();
        self.is_quiet() && swept && !self.openings.iter().any(|opening| opening.due)
    }

    /// Whether a new instance waits for an old one to go.
    pub fn a_wish_waits(&self) -> bool {
        let waits = self.openings.iter().any(|opening| opening.state == OpeningState::Adding);
        waits && self.openings.iter().any(Opening::is_closing)
    }

    /// Whether a session lives.
    pub fn someone_lives(&self) -> bool {
        self.sessions.iter().any(|session| matches!(session, Session::Live { .. }))
    }

    /// Whether a session reads ACTIVE.
    pub fn someone_is_active(&self) -> bool {
        self.sessions.iter().any(|session| matches!(session, Session::Live { active: true, .. }))
    }

    /// Whether every session reads ACTIVE.
    pub fn all_are_active(&self) -> bool {
        self.sessions.iter().all(|session| matches!(session, Session::Live { active: true, .. }))
    }

    /// Whether a live session does not read ACTIVE.
    pub fn someone_waits(&self) -> bool {
        self.sessions.iter().any(|session| matches!(session, Session::Live { active: false, .. }))
    }
}
