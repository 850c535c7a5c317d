//! What can be said, one line a command.

use crate::command::Command;
use crate::domain::{Directory, MemberName, PanicScope, Span};
use crate::engine::{Verdict, Which};

/// One command, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpLine {
    /// What to write.
    pub usage: &'static str,
    /// What it does.
    pub does: String,
}

/// What can be said, and the durations that somebody may choose by a button.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// What can be said.
    pub lines: Vec<HelpLine>,
    /// The durations that a button may start.
    pub durations: Vec<Span>,
    /// The one that most people want.
    pub default: Option<Span>,
}

impl Help {
    /// A member's help.
    pub fn of(directory: &Directory, member: &MemberName) -> Self {
        let durations = directory.durations_for(member);
        let break_glass = directory.terms_of(member).break_glass;
        let admin = directory.members.get(member).is_some_and(|member| member.admin);
        let default = Some(directory.default_duration_for(member));
        Self { lines: help(&durations, break_glass, admin), durations, default }
    }

    /// The help of those whom we do not know yet: they can start nothing.
    pub fn for_strangers() -> Self {
        Self { lines: help(&[], false, false), ..Self::default() }
    }
}

fn help(durations: &[Span], break_glass: bool, admin: bool) -> Vec<HelpLine> {
    let every = [
        Command::Start { duration: None, addresses: Vec::new(), reason: None, break_glass },
        Command::Extend { which: Which::TheOnly, by: None },
        Command::Stop(Which::TheOnly),
        Command::List,
        Command::Status(Which::TheOnly),
        Command::Answer { session: String::new(), verdict: Verdict::Approve },
        Command::Answer { session: String::new(), verdict: Verdict::Deny },
        Command::Resources,
        Command::Whoami,
        Command::Web,
        Command::Link,
        Command::Unlink(None),
        Command::ListAll,
        Command::Panic(PanicScope::All),
        Command::LiftPanic(None),
        Command::Help,
    ];
    let is_theirs = |command: &&Command| admin || !is_for_administrators(command);
    every.iter().filter(is_theirs).filter_map(|command| line(command, durations)).collect()
}

const fn is_for_administrators(command: &Command) -> bool {
    matches!(command, Command::ListAll | Command::Panic(_) | Command::LiftPanic(_))
}

// No wildcard: a command that is added and not explained must not compile.
fn line(command: &Command, durations: &[Span]) -> Option<HelpLine> {
    let (usage, does) = match command {
        Command::Start { duration: _, addresses: _, reason: _, break_glass: false } => {
            ("start [duration] [ip ADDRESS] [for REASON]", start(durations))
        }
        Command::Start { duration: _, addresses: _, reason: _, break_glass: true } => (
            "start [duration] [ip ADDRESS] [--break-glass] [for REASON]",
            format!("{}; --break-glass does without the approval in an emergency, and everybody hears of it", start(durations)),
        ),
        // A button says this, and nobody types it.
        Command::StartSameAddress { .. } => return None,
        Command::Answer { session: _, verdict: Verdict::Approve } => {
            ("approve SESSION", "agrees to somebody's request, if they had to ask you".into())
        }
        Command::Answer { session: _, verdict: Verdict::Deny } => ("deny SESSION", "refuses it".into()),
        Command::Extend { which: _, by: _ } => {
            ("extend [session] [duration]", "gives a session more time, 2h if you do not say".into())
        }
        Command::Stop(_) => ("stop [session|all]", "closes everything that a session opened".into()),
        Command::List => ("list", "shows your sessions".into()),
        Command::Status(_) => ("status [session]", "shows each resource of a session".into()),
        Command::Resources => ("resources", "shows what your roles let you open".into()),
        Command::Whoami => ("whoami", "shows who EntryGuard thinks you are".into()),
        Command::Web => ("web", "signs you in to the Sessions page: gives a link for your browser".into()),
        Command::Link => ("link [code]", "makes you one person in all chats: gives a code here, to type there".into()),
        // The same line explains it.
        Command::LinkWith(_) | Command::Join(_) => return None,
        Command::Unlink(_) => ("unlink [identity]", "takes that back".into()),
        Command::ListAll => ("list all", "shows everybody's sessions, and whose each is".into()),
        Command::Panic(_) => (
            "panic [member NAME|resource NAME]",
            "closes everything at once, or all of that, and keeps it closed; asks first".into(),
        ),
        // A button says this, and nobody types it.
        Command::CloseAtOnce { .. } => return None,
        Command::LiftPanic(_) => ("panic lift [member NAME|resource NAME]", "lets it be opened again".into()),
        Command::Help => ("help", "shows this".into()),
    };
    Some(HelpLine { usage, does })
}

fn start(durations: &[Span]) -> String {
    let choices: Vec<_> = durations.iter().map(ToString::to_string).collect();
    let choices = if choices.is_empty() { String::new() } else { format!(" ({})", choices.join(", ")) };
    format!("opens your resources for your address{choices}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_shows_every_command() {
        let lines = help(&[Span::from_hours(1), Span::from_hours(2)], false, true);
        let text: Vec<_> = lines.iter().map(|line| format!("{} — {}", line.usage, line.does)).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        start [duration] [ip ADDRESS] [for REASON] — opens your resources for your address (1h, 2h)
        extend [session] [duration] — gives a session more time, 2h if you do not say
        stop [session|all] — closes everything that a session opened
        list — shows your sessions
        status [session] — shows each resource of a session
        approve SESSION — agrees to somebody's request, if they had to ask you
        deny SESSION — refuses it
        resources — shows what your roles let you open
        whoami — shows who EntryGuard thinks you are
        web — signs you in to the Sessions page: gives a link for your browser
        link [code] — makes you one person in all chats: gives a code here, to type there
        unlink [identity] — takes that back
        list all — shows everybody's sessions, and whose each is
        panic [member NAME|resource NAME] — closes everything at once, or all of that, and keeps it closed; asks first
        panic lift [member NAME|resource NAME] — lets it be opened again
        help — shows this
        ");
        let of_a_member = help(&[], false, false);
        assert!(of_a_member.iter().all(|line| !line.usage.starts_with("panic") && line.usage != "list all"), "{of_a_member:?}");
    }
}
