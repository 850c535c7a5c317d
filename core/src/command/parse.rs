//! From text to a command, with errors that show the nearest right one.

use std::str::FromStr;

use super::words::{Words, addresses_in, bare, duration_at_the_end};
use super::{Command, nearest};
use crate::domain::foreign_text::one_line;
use crate::domain::{AddressRefused, HostAddress, IdentityError, PanicScope, SpanError, is_number};
use crate::engine::{JoinCode, Verdict, Which};

/// Why a text is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such verb.
    #[error("`{given}` is not a command; {}`help` shows them all", did_you_mean(.nearest.as_deref()))]
    UnknownVerb {
        /// What was written.
        given: String,
        /// The whole line that was probably meant, where one is near.
        nearest: Option<String>,
    },
    /// Not a duration.
    #[error("{0}; for example `start 2h`")]
    Duration(#[from] SpanError),
    /// Not a duration, where more time is asked for.
    #[error("{0}; for example `extend 2h`")]
    MoreTime(SpanError),
    /// Not an address.
    #[error("{0}")]
    Address(#[from] AddressRefused),
    /// `ip` without an address behind it.
    #[error("`ip` needs an address behind it, for example `start 2h ip 93.184.216.34`")]
    AddressMissing,
    /// No session where one has to be named.
    #[error("`{verb}` needs the session's id behind it, for example `{verb} 1a2b3c4d`")]
    SessionMissing {
        /// The command.
        verb: &'static str,
    },
    /// More words than the command has use for.
    #[error("`{verb}` does not know what to do with \"{word}\"; write `{example}`")]
    Superfluous {
        /// The command.
        verb: &'static str,
        /// The first word too many.
        word: String,
        /// What to write.
        example: String,
    },
    /// Not an identity.
    #[error("{0}; `whoami` shows yours")]
    Identity(#[from] IdentityError),
    /// Nothing that can be closed at once.
    #[error("`panic` does not know \"{0}\"; write `panic`, `panic member ana` or `panic resource postgres-prod`")]
    PanicScope(String),
    /// A reason longer than anybody reads.
    #[error("the reason is too long: {0} characters, at most 500")]
    ReasonTooLong(usize),
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("did you mean `{nearest}`? ")).unwrap_or_default()
}

pub(super) const VERBS: [&str; 14] = [
    "start",
    "stop",
    "extend",
    "list",
    "status",
    "resources",
    "whoami",
    "web",
    "help",
    "approve",
    "deny",
    "link",
    "unlink",
    "panic",
];
const LONGEST_REASON: usize = 500;
/// What is shorter names no session.
const SHORTEST_NAME: usize = 4;

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let text = one_line(text);
        let text = text.as_str();
        let mut words = Words::new(text);
        // Whoever begins with a duration wants a session.
        if words.peek().is_some_and(|word| word.eq_ignore_ascii_case("for")) || words.clone().duration() != Ok(None) {
            return start(text);
        }
        let Some(verb) = words.next() else { return Ok(Self::Help) };
        match verb.to_ascii_lowercase().as_str() {
            "start" | "open" => start(words.rest),
            // Whatever word somebody has for it who wants it closed.
            "stop" | "close" | "end" | "cancel" | "terminate" | "revoke" | "kill" => stop(words),
            "extend" => extend(words),
            "list" | "ls" => list(words),
            "status" | "show" => status(words),
            "resources" => words.end("resources", "resources").map(|()| Self::Resources),
            "link" => link(words),
            "unlink" => unlink(words),
            "whoami" => words.end("whoami", "whoami").map(|()| Self::Whoami),
            "web" => words.end("web", "web").map(|()| Self::Web),
            "approve" => answer(words, Verdict::Approve, "approve"),
            "deny" => answer(words, Verdict::Deny, "deny"),
            "panic" => panic(words),
            "help" | "?" => Ok(Self::Help),
            other => Err(CommandError::UnknownVerb { given: verb.to_owned(), nearest: nearest::line(other, words.rest) }),
        }
    }
}

impl Words<'_> {
    fn end(mut self, verb: &'static str, example: &str) -> Result<(), CommandError> {
        let superfluous = |word: &str| CommandError::Superfluous { verb, word: word.to_owned(), example: example.to_owned() };
        self.next().map_or(Ok(()), |word| Err(superfluous(word)))
    }
}

/// What does without an approval, anywhere in the text.
pub(super) const BREAK_GLASS: &str = "--break-glass";

fn start(text: &str) -> Result<Command, CommandError> {
    // Chats turn two hyphens into a dash as people type.
    let is_flag = |word: &str| word.replace('—', "--").eq_ignore_ascii_case(BREAK_GLASS);
    let break_glass = text.split_whitespace().any(is_flag);
    let without: Vec<_> = text.split_whitespace().filter(|word| !is_flag(word)).collect();
    let without = without.join(" ");
    let mut words = Words::new(&without);
    let (mut duration, mut addresses, mut reason) = (None, Vec::new(), None);
    loop {
        if duration.is_none() {
            duration = words.duration()?;
        }
        let Some(word) = words.next() else { break };
        match bare(word).to_ascii_lowercase().as_str() {
            "" => {}
            "ip" => take_addresses(&mut words, &mut addresses)?,
            // `for 2h` is a duration, `for the deploy` a reason.
            "for" if duration.is_none() && begins_with_a_duration(&words) => duration = words.duration_behind_a_word()?,
            "for" | "because" => {
                let text = std::mem::take(&mut words.rest);
                // `because deploy for 30m` has both.
                let both = if duration.is_none() { duration_at_the_end(text) } else { None };
                duration = duration.or(both.map(|(_, span)| span));
                reason = reason_from(both.map_or(text, |(text, _)| text))?;
            }
            number if is_number(number) => return Err(SpanError::NoUnit(number.to_owned()).into()),
            _ => {
                let said = nearest::Said { duration, addresses: &addresses, break_glass };
                let example = nearest::start(&said, word, words.rest);
                return Err(CommandError::Superfluous { verb: "start", word: bare(word).to_owned(), example });
            }
        }
    }
    Ok(Command::Start { duration, addresses, reason, break_glass })
}

/// A digit has to begin a duration; other words do where they are one.
fn begins_with_a_duration(words: &Words<'_>) -> bool {
    words.clone().duration_behind_a_word() != Ok(None)
}

/// The address behind `ip`, and those behind that.
fn take_addresses(words: &mut Words<'_>, addresses: &mut Vec<HostAddress>) -> Result<(), CommandError> {
    let first = words.next().unwrap_or_default().split([',', ';']).filter(|part| !part.is_empty());
    let mut written: Vec<_> = first.collect();
    if written.is_empty() {
        return Err(CommandError::AddressMissing);
    }
    loop {
        let mut ahead = words.clone();
        ahead.skip(&["and"]);
        let more = addresses_in(ahead.next().unwrap_or_default());
        if more.is_empty() {
            break;
        }
        written.extend(more);
        *words = ahead;
    }
    for part in written {
        addresses.push(HostAddress::parse(part)?);
    }
    Ok(())
}

fn answer(mut words: Words<'_>, verdict: Verdict, verb: &'static str) -> Result<Command, CommandError> {
    let session = bare(words.next().ok_or(CommandError::SessionMissing { verb })?).to_owned();
    words.end(verb, &nearest::answer(verb, &session)).map(|()| Command::Answer { session, verdict })
}

/// A code may come in groups.
fn link(words: Words<'_>) -> Result<Command, CommandError> {
    Ok(if words.rest.is_empty() { Command::Link } else { Command::LinkWith(JoinCode::typed(words.rest)) })
}

fn unlink(mut words: Words<'_>) -> Result<Command, CommandError> {
    let identity = words.next().map(str::parse).transpose()?;
    words.end("unlink", "unlink discord:GUILD/USER").map(|()| Command::Unlink(identity))
}

/// A reason as everybody may give one: on one line, so that it cannot pass for lines of ours; of what is seen alone; and not longer than
/// anybody reads.
pub fn reason_from(text: &str) -> Result<Option<String>, CommandError> {
    let line = one_line(text);
    let length = line.chars().count();
    if length > LONGEST_REASON {
        return Err(CommandError::ReasonTooLong(length));
    }
    Ok((!line.is_empty()).then_some(line))
}

fn stop(mut words: Words<'_>) -> Result<Command, CommandError> {
    let which = match words.next() {
        None => Which::TheOnly,
        Some(word) if is_all(word) => {
            words.skip(&["sessions"]);
            Which::AllOwn
        }
        Some(session) => Which::Named(bare(session).to_owned()),
    };
    words.end("stop", "stop 1a2b3c4d").map(|()| Command::Stop(which))
}

/// However one door or the other has it. Chats turn two hyphens into a dash as people type.
fn is_all(word: &str) -> bool {
    ["all", "--all", "everything"].iter().any(|all| word.replace('—', "--").eq_ignore_ascii_case(all))
}

fn list(mut words: Words<'_>) -> Result<Command, CommandError> {
    let everybodys = words.peek().is_some_and(is_all);
    if everybodys {
        words.next();
    }
    words.end("list", "list").map(|()| if everybodys { Command::ListAll } else { Command::List })
}

fn panic(mut words: Words<'_>) -> Result<Command, CommandError> {
    let lift = words.peek().is_some_and(|word| word.eq_ignore_ascii_case("lift"));
    if lift {
        words.next();
    }
    let scope = scope(&mut words)?;
    words.end("panic", "panic resource postgres-prod")?;
    Ok(if lift { Command::LiftPanic(scope) } else { Command::Panic(scope.unwrap_or(PanicScope::All)) })
}

/// `all`, `member ana` or `resource postgres-prod`; none where nothing is written.
fn scope(words: &mut Words<'_>) -> Result<Option<PanicScope>, CommandError> {
    let Some(word) = words.next() else { return Ok(None) };
    let kind = word.to_ascii_uppercase();
    let name = if kind == "ALL" { "" } else { words.next().unwrap_or_default() };
    PanicScope::parse(&kind, name).map(Some).ok_or_else(|| CommandError::PanicScope(format!("{word} {name}").trim().to_owned()))
}

fn extend(mut words: Words<'_>) -> Result<Command, CommandError> {
    words.skip(&BY);
    // A session's id may begin with digits, and so may a duration: what reads as a duration is one.
    let mut by = words.clone().duration_behind_a_word();
    let which = match &by {
        Ok(Some(_)) => words.duration_behind_a_word().ok().and(None),
        // Too short for a session's name.
        Err(_) if words.peek().is_some_and(|word| word.len() < SHORTEST_NAME) => None,
        _ => words.next().map(bare),
    };
    if which.is_some() {
        words.skip(&BY);
        by = words.duration_behind_a_word();
    }
    let by = by.map_err(CommandError::MoreTime)?;
    let which = which.map_or(Which::TheOnly, |session| Which::Named(session.to_owned()));
    words.end("extend", "extend 1a2b3c4d 2h").map(|()| Command::Extend { which, by })
}

/// `extend by 2h` and `extend for 2h` are `extend 2h`.
const BY: [&str; 2] = ["by", "for"];

fn status(mut words: Words<'_>) -> Result<Command, CommandError> {
    let which = words.next().map_or(Which::TheOnly, |session| Which::Named(session.to_owned()));
    words.end("status", "status 1a2b3c4d").map(|()| Command::Status(which))
}

/// Whether a command begins so.
pub fn is_verb(word: &str) -> bool {
    VERBS.contains(&word)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
