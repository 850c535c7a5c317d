//! What can be said, one line a command.

use crate::command::Command;
use crate::domain::Span;
use crate::engine::Which;

/// One command, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpLine {
    /// What to write.
    pub usage: &'static str,
    /// What it does.
    pub does: String,
}

/// The help, with the durations that somebody may choose.
pub fn help(durations: &[Span]) -> Vec<HelpLine> {
    let every = [
        Command::Start { duration: None, addresses: Vec::new(), reason: None },
        Command::Extend { which: Which::TheOnly, by: None },
        Command::Stop(Which::TheOnly),
        Command::List,
        Command::Status(Which::TheOnly),
        Command::Resources,
        Command::Whoami,
        Command::Help,
    ];
    every.iter().map(|command| line(command, durations)).collect()
}

// No wildcard: a command that is added and not explained must not compile.
fn line(command: &Command, durations: &[Span]) -> HelpLine {
    let (usage, does) = match command {
        Command::Start { duration: _, addresses: _, reason: _ } => ("start [duration] [for REASON]", start(durations)),
        Command::Extend { which: _, by: _ } => {
            ("extend [session] [duration]", "gives a session more time, 2h if you do not say".into())
        }
        Command::Stop(_) => ("stop [session|all]", "closes everything that a session opened".into()),
        Command::List => ("list", "shows your sessions".into()),
        Command::Status(_) => ("status [session]", "shows each resource of a session".into()),
        Command::Resources => ("resources", "shows what your roles let you open".into()),
        Command::Whoami => ("whoami", "shows who EntryGuard thinks you are".into()),
        Command::Help => ("help", "shows this".into()),
    };
    HelpLine { usage, does }
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
        let lines = help(&[Span::from_hours(1), Span::from_hours(2)]);
        let text: Vec<_> = lines.iter().map(|line| format!("{} — {}", line.usage, line.does)).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        start [duration] [for REASON] — opens your resources for your address (1h, 2h)
        extend [session] [duration] — gives a session more time, 2h if you do not say
        stop [session|all] — closes everything that a session opened
        list — shows your sessions
        status [session] — shows each resource of a session
        resources — shows what your roles let you open
        whoami — shows who EntryGuard thinks you are
        help — shows this
        ");
    }
}
