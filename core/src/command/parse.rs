//! From text to a command, with errors that show the nearest right one.

use std::str::FromStr;

use super::Command;
use crate::domain::{AddressRefused, HostAddress, IdentityError, Span, SpanError};
use crate::engine::{JoinCode, Verdict, Which};

/// Why a text is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such verb.
    #[error("`{given}` is not a command; did you mean `{nearest}`? `help` shows them all")]
    UnknownVerb {
        /// What was written.
        given: String,
        /// The whole line that was probably meant.
        nearest: String,
    },
    /// Not a duration.
    #[error("{0}; for example `start 2h`")]
    Duration(#[from] SpanError),
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
    /// A reason longer than anybody reads.
    #[error("the reason is too long: {0} characters, at most 500")]
    ReasonTooLong(usize),
}

const VERBS: [&str; 13] =
    ["start", "stop", "extend", "list", "status", "resources", "whoami", "web", "help", "approve", "deny", "link", "unlink"];
const LONGEST_REASON: usize = 500;
/// The longest line that is worth suggesting.
const LONGEST_EXAMPLE: usize = 120;

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let mut words = Words::new(text);
        // Whoever begins with a duration wants a session.
        if words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()) || word.eq_ignore_ascii_case("for")) {
            return start(text);
        }
        let Some(verb) = words.next() else { return Ok(Self::Help) };
        match verb.to_ascii_lowercase().as_str() {
            "start" | "open" => start(words.rest),
            "stop" | "close" => stop(words),
            "extend" => extend(words),
            "list" | "ls" => words.end("list", "list").map(|()| Self::List),
            "status" | "show" => status(words),
            "resources" => words.end("resources", "resources").map(|()| Self::Resources),
            "link" => link(words),
            "unlink" => unlink(words),
            "whoami" => words.end("whoami", "whoami").map(|()| Self::Whoami),
            "web" => words.end("web", "web").map(|()| Self::Web),
            "approve" => answer(words, Verdict::Approve, "approve"),
            "deny" => answer(words, Verdict::Deny, "deny"),
            "help" | "?" => Ok(Self::Help),
            other => Err(CommandError::UnknownVerb { given: verb.to_owned(), nearest: nearest_line(other, words.rest) }),
        }
    }
}

/// The words of a text, with a look ahead.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim() }
    }

    fn peek(&self) -> Option<&'a str> {
        self.rest.split_whitespace().next()
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.rest = self.rest[word.len()..].trim_start();
        Some(word)
    }

    /// Takes a duration of one or more words, `2h`, `2 hours`, `1h 30m`, if the next word begins with a digit.
    fn duration(&mut self) -> Result<Option<Span>, CommandError> {
        if !self.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            return Ok(None);
        }
        let mut text = self.next().unwrap_or_default().to_owned();
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        while let Some(word) = self.peek() {
            let unit_follows =
                is_number(text.split(' ').next_back().unwrap_or_default()) && format!("1{word}").parse::<Span>().is_ok();
            if !unit_follows && word.parse::<Span>().is_err() {
                break;
            }
            text = format!("{text} {word}");
            self.next();
        }
        Ok(Some(text.parse()?))
    }

    fn end(mut self, verb: &'static str, example: &str) -> Result<(), CommandError> {
        let superfluous = |word: &str| CommandError::Superfluous { verb, word: word.to_owned(), example: example.to_owned() };
        self.next().map_or(Ok(()), |word| Err(superfluous(word)))
    }
}

/// What does without an approval, anywhere in the text.
const BREAK_GLASS: &str = "--break-glass";

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
        match word.to_ascii_lowercase().as_str() {
            "ip" => addresses.push(HostAddress::parse(words.next().ok_or(CommandError::AddressMissing)?)?),
            // `for 2h` is a duration, `for the deploy` a reason.
            "for" if duration.is_none() && words.peek().is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit())) => {}
            "for" | "because" => {
                reason = reason_from(words.rest)?;
                words.rest = "";
            }
            _ => {
                let example = with_reason(&without, word, words.rest, break_glass);
                return Err(CommandError::Superfluous { verb: "start", word: word.to_owned(), example });
            }
        }
    }
    Ok(Command::Start { duration, addresses, reason, break_glass })
}

fn answer(mut words: Words<'_>, verdict: Verdict, verb: &'static str) -> Result<Command, CommandError> {
    let session = words.next().ok_or(CommandError::SessionMissing { verb })?.to_owned();
    words.end(verb, "approve 1a2b3c4d").map(|()| Command::Answer { session, verdict })
}

/// A code may come in groups.
fn link(words: Words<'_>) -> Result<Command, CommandError> {
    Ok(if words.rest.is_empty() { Command::Link } else { Command::LinkWith(JoinCode::typed(words.rest)) })
}

fn unlink(mut words: Words<'_>) -> Result<Command, CommandError> {
    let identity = words.next().map(str::parse).transpose()?;
    words.end("unlink", "unlink discord:GUILD/USER").map(|()| Command::Unlink(identity))
}

/// A reason as everybody may give one: on one line, and not longer than anybody reads.
pub fn reason_from(text: &str) -> Result<Option<String>, CommandError> {
    let length = text.chars().count();
    if length > LONGEST_REASON {
        return Err(CommandError::ReasonTooLong(length));
    }
    // On one line, so that it cannot pass for lines of ours; and what is not to be seen says nothing to anybody.
    let line = text.replace(char::is_control, " ");
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok((!line.is_empty()).then_some(line))
}

fn stop(mut words: Words<'_>) -> Result<Command, CommandError> {
    let which = match words.next() {
        None => Which::TheOnly,
        Some(word) if word.eq_ignore_ascii_case("all") => Which::AllOwn,
        Some(session) => Which::Named(session.to_owned()),
    };
    words.end("stop", "stop 1a2b3c4d").map(|()| Command::Stop(which))
}

fn extend(mut words: Words<'_>) -> Result<Command, CommandError> {
    // A session's id may begin with digits, and so may a duration: what reads as a duration is one.
    let mut by = words.peek().filter(|word| word.parse::<Span>().is_ok()).map(|_| words.duration()).transpose()?.flatten();
    let which = if by.is_some() { None } else { words.next() };
    if by.is_none() {
        by = words.duration()?;
    }
    let which = which.map_or(Which::TheOnly, |session| Which::Named(session.to_owned()));
    words.end("extend", "extend 1a2b3c4d 2h").map(|()| Command::Extend { which, by })
}

fn status(mut words: Words<'_>) -> Result<Command, CommandError> {
    let which = words.next().map_or(Which::TheOnly, |session| Which::Named(session.to_owned()));
    words.end("status", "status 1a2b3c4d").map(|()| Command::Status(which))
}

/// The line that somebody meant who forgot to say where the reason begins: with it, if it makes sense so.
fn with_reason(line: &str, word: &str, rest: &str, break_glass: bool) -> String {
    let before = line[..line.len() - rest.len()].trim_end();
    let before = before[..before.len() - word.len()].trim_end();
    let flag = if break_glass { BREAK_GLASS } else { "" };
    let meant = ["start", flag, before, "for", word, rest].into_iter().filter(|part| !part.is_empty());
    let meant = meant.collect::<Vec<_>>().join(" ");
    if is_short_and_right(&meant) { meant } else { "start 2h for the deploy".to_owned() }
}

/// The line with the verb that was probably meant; that alone where the rest makes no sense behind it.
fn nearest_line(verb: &str, rest: &str) -> String {
    let nearest = nearest_verb(verb);
    let line = format!("{nearest} {rest}");
    if !rest.is_empty() && is_short_and_right(&line) { line } else { nearest.to_owned() }
}

/// Nobody types a long line again by hand.
fn is_short_and_right(line: &str) -> bool {
    !line.contains('`') && line.chars().count() <= LONGEST_EXAMPLE && line.parse::<Command>().is_ok()
}

/// Whether a command begins so.
pub fn is_verb(word: &str) -> bool {
    VERBS.contains(&word)
}

fn nearest_verb(given: &str) -> &'static str {
    let closeness = |verb: &&str| strsim::jaro_winkler(given, verb);
    VERBS.into_iter().max_by(|a, b| closeness(a).total_cmp(&closeness(b))).unwrap_or("help")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn started(text: &str) -> (Option<i64>, usize, Option<String>) {
        match text.parse() {
            Ok(Command::Start { duration, addresses, reason, break_glass: false }) => {
                (duration.map(|duration| duration.as_millis() / 60_000), addresses.len(), reason)
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_session_is_asked_for_as_people_write_it() {
        assert_eq!(started("start"), (None, 0, None));
        assert_eq!(started("start 2h"), (Some(120), 0, None));
        assert_eq!(started("START 2 hours for the deploy"), (Some(120), 0, Some("the deploy".into())));
        assert_eq!(started("start for 2h because deploy"), (Some(120), 0, Some("deploy".into())));
        assert_eq!(started("2h"), (Some(120), 0, None));
        assert_eq!(started("for 2h because deploy"), (Some(120), 0, Some("deploy".into())));
        assert_eq!(started("90m for it"), (Some(90), 0, Some("it".into())));
        assert_eq!(started("start 1h 30m ip 93.184.216.34 ip 2606::1 for it"), (Some(90), 2, Some("it".into())));
    }

    #[test]
    fn the_glass_is_broken_wherever_the_flag_stands() {
        for text in ["start 1h --break-glass for prod", "start --break-glass 1h for prod", "start 1h for prod —break-glass"] {
            let Ok(Command::Start { break_glass: true, reason, .. }) = text.parse() else { panic!("{text}") };
            assert_eq!(reason.as_deref(), Some("prod"), "{text}");
        }
    }

    #[test]
    fn a_request_is_answered_by_its_id() {
        let answer = |verdict| Command::Answer { session: "1a2b3c4d".to_owned(), verdict };
        assert_eq!("approve 1a2b3c4d".parse(), Ok(answer(Verdict::Approve)));
        assert_eq!("deny 1a2b3c4d".parse(), Ok(answer(Verdict::Deny)));
        let missing = "approve".parse::<Command>().unwrap_err().to_string();
        insta::assert_snapshot!(missing, @"`approve` needs the session's id behind it, for example `approve 1a2b3c4d`");
    }

    #[test]
    fn the_other_commands_name_a_session_or_take_the_only_one() {
        assert_eq!("stop".parse(), Ok(Command::Stop(Which::TheOnly)));
        assert_eq!("stop all".parse(), Ok(Command::Stop(Which::AllOwn)));
        assert_eq!("stop 1a2b3c4d".parse(), Ok(Command::Stop(Which::Named("1a2b3c4d".into()))));
        assert_eq!("extend".parse(), Ok(Command::Extend { which: Which::TheOnly, by: None }));
        assert_eq!("extend 2h".parse(), Ok(Command::Extend { which: Which::TheOnly, by: Some(Span::from_hours(2)) }));
        let named = Command::Extend { which: Which::Named("12345678".into()), by: Some(Span::from_minutes(90)) };
        assert_eq!("extend 12345678 90m".parse(), Ok(named));
        assert_eq!("".parse(), Ok(Command::Help));
        assert_eq!("web".parse(), Ok(Command::Web));
        assert_eq!("link".parse(), Ok(Command::Link));
        assert_eq!("link 0123-abcd EFGH".parse(), Ok(Command::LinkWith(JoinCode::typed("0123ABCDEFGH"))));
        assert_eq!("unlink slack:T1/U1".parse(), Ok(Command::Unlink(Some("slack:T1/U1".parse().unwrap()))));
    }

    #[test]
    fn a_slip_is_answered_with_the_right_command() {
        let error = |text: &str| text.parse::<Command>().unwrap_err().to_string();
        insta::assert_snapshot!(error("strat 2h"), @"`strat` is not a command; did you mean `start 2h`? `help` shows them all");
        insta::assert_snapshot!(error("lsit"), @"`lsit` is not a command; did you mean `list`? `help` shows them all");
        insta::assert_snapshot!(error("exten 1a2b3c4d 2h"), @"`exten` is not a command; did you mean `extend 1a2b3c4d 2h`? `help` shows them all");
        insta::assert_snapshot!(error("start 2h deploy of 4.2"), @r#"`start` does not know what to do with "deploy"; write `start 2h for deploy of 4.2`"#);
        insta::assert_snapshot!(error("start 2"), @"`2` has no unit; write `2h` for hours or `2m` for minutes; for example `start 2h`");
        insta::assert_snapshot!(error("start deploy --break-glass"), @r#"`start` does not know what to do with "deploy"; write `start --break-glass for deploy`"#);
        insta::assert_snapshot!(error("start 2h ip"), @"`ip` needs an address behind it, for example `start 2h ip 93.184.216.34`");
        insta::assert_snapshot!(error("list all"), @r#"`list` does not know what to do with "all"; write `list`"#);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = text.parse::<Command>();
            let _ = format!("start {text}").parse::<Command>();
            let _ = format!("extend {text}").parse::<Command>();
        }
    }
}
