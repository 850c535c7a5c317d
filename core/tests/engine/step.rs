//! What can happen in a history.

use entryguard_core::domain::Span;
use entryguard_core::provider::Fault;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// The process does something to its end.
    Do(Work),
    /// The process dies when it comes to the step of this number, and another one starts.
    Crash(Work, usize),
    /// Passes and the clock run until nothing is due, and every delay is waited out.
    Settle,
    /// Time passes.
    Wait(Span),
    /// Something goes wrong with the next change.
    ChangeFails(Fault),
    /// Something goes wrong with the next read.
    ReadFails(Fault),
    /// Reads are late from now on.
    Lag(Span),
    /// A list holds so many rules of each family from now on.
    Quota { resource: usize, rules: usize },
    /// The cloud is well again.
    Heal,
    /// Somebody edits a list behind our back.
    Edit(Edit),
}

/// What the process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Start {
        member: usize,
        from: From,
        hours: i64,
    },
    /// Of the session of this number, in the order of their starts.
    Stop(usize),
    Extend(usize, i64),
    Pass,
    Clock,
    Sweep,
}

/// From where a session starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Home,
    Cafe,
    Both,
}

/// What somebody does to a list. A rule is named by a number, which is taken modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    /// Lets the same address in, where nothing does yet.
    AddSame {
        resource: usize,
        from: From,
        part: usize,
    },
    /// Lets somebody else in.
    AddOther {
        resource: usize,
    },
    Delete {
        resource: usize,
        rule: usize,
    },
    Widen {
        resource: usize,
        rule: usize,
    },
    Strip {
        resource: usize,
        rule: usize,
    },
    /// Puts one back that is gone.
    Restore {
        resource: usize,
        rule: usize,
    },
}

pub const MEMBERS: [&str; 3] = ["ANA", "BO", "CY"];
pub const HOME: &str = "93.184.216.34";
pub const CAFE: &str = "2606:2800:220:1::1";

impl From {
    pub fn addresses(self) -> &'static [&'static str] {
        match self {
            Self::Home => &[HOME],
            Self::Cafe => &[CAFE],
            Self::Both => &[HOME, CAFE],
        }
    }
}
