//! What an error of the chat language advises: a line that is understood, and that its reader may write.

use super::Command;
use super::parse::{BREAK_GLASS, CommandError};
use crate::domain::{Span, SpanError};
use crate::engine::{Caller, Engine};

/// What a caller may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The longest session.
    pub longest: Span,
    /// The one that is advised where nothing else is known.
    pub usual: Span,
    /// Whether an address may be given by hand.
    pub explicit_ip: bool,
    /// Whether an approval may be done without.
    pub break_glass: bool,
}

/// Where the caller is unknown.
impl Default for Allowed {
    fn default() -> Self {
        Self { longest: Span::from_hours(365 * 24), usual: Span::from_hours(2), explicit_ip: true, break_glass: true }
    }
}

impl Engine {
    /// What a caller may ask for.
    pub fn allowed(&self, caller: &Caller) -> Allowed {
        let directory = self.directory();
        let (terms, longest) = (directory.terms_of(caller.name()), directory.limit_of(caller.name()).longest);
        let usual = directory.default_duration_for(caller.name());
        Allowed { longest, usual, explicit_ip: terms.explicit_ip, break_glass: terms.break_glass }
    }
}

impl Allowed {
    /// What is wrong with a duration, and what to write instead.
    pub fn advice(&self, error: &SpanError) -> String {
        error.advising(self.longest, self.usual)
    }

    /// The same line, if they may write it; else the nearest one that they may.
    fn line(&self, line: &str) -> String {
        let Ok(Command::Start { duration, addresses, reason, break_glass }) = line.parse() else { return line.to_owned() };
        let is_allowed = duration.is_none_or(|duration| duration <= self.longest)
            && (addresses.is_empty() || self.explicit_ip)
            && (!break_glass || self.break_glass);
        if is_allowed {
            return line.to_owned();
        }
        let duration = duration.map(|duration| if duration <= self.longest { duration } else { self.usual });
        let mut words = vec!["start".to_owned()];
        words.extend((break_glass && self.break_glass).then(|| BREAK_GLASS.to_owned()));
        words.extend(duration.map(|duration| duration.to_string()));
        words.extend(addresses.iter().filter(|_| self.explicit_ip).map(|address| format!("ip {address}")));
        words.extend(reason.map(|reason| format!("for {reason}")));
        words.join(" ")
    }
}

impl CommandError {
    /// The error in words, for a caller who may ask for so much.
    pub fn advising(&self, allowed: &Allowed) -> String {
        let Allowed { usual, .. } = allowed;
        match self {
            Self::Duration(error) => format!("{}; for example `start {usual}`", allowed.advice(error)),
            Self::MoreTime(error) => format!("{}; for example `extend {usual}`", allowed.advice(error)),
            Self::AddressMissing if !allowed.explicit_ip => format!(
                "`ip` needs an address behind it, and your roles do not let you give one; write `start {usual}`, and the link's page \
                 sees your address"
            ),
            Self::AddressMissing => format!("`ip` needs an address behind it, for example `start {usual} ip 93.184.216.34`"),
            Self::Superfluous { verb, word, example } => {
                Self::Superfluous { verb, word: word.clone(), example: allowed.line(example) }.to_string()
            }
            Self::UnknownVerb { given, nearest } => {
                let nearest = nearest.as_ref().map(|nearest| allowed.line(nearest));
                Self::UnknownVerb { given: given.clone(), nearest }.to_string()
            }
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHORT: Allowed =
        Allowed { longest: Span::from_minutes(60), usual: Span::from_minutes(45), explicit_ip: false, break_glass: false };

    fn advice(text: &str, allowed: &Allowed) -> String {
        text.parse::<Command>().unwrap_err().advising(allowed)
    }

    #[test]
    fn what_is_advised_is_allowed() {
        let advice = |text| advice(text, &SHORT);
        insta::assert_snapshot!(advice("start 2"), @"`2` has no unit; write `2m` for minutes; for example `start 45m`");
        insta::assert_snapshot!(advice("start 1.5"), @"`1.5` has no unit; write `1.5m` for minutes; for example `start 45m`");
        insta::assert_snapshot!(advice("start 1h 90"), @"`90` has no unit; write for example `45m`; for example `start 45m`");
        insta::assert_snapshot!(advice("start 1:75"), @"`1:75` is not a duration; write for example `45m`; for example `start 45m`");
        insta::assert_snapshot!(advice("extend 2"), @"`2` has no unit; write `2m` for minutes; for example `extend 45m`");
        insta::assert_snapshot!(advice("strat 2h"), @"`strat` is not a command; did you mean `start 45m`? `help` shows them all");
        insta::assert_snapshot!(advice("start 2h deploy of 4.2"), @r#"`start` does not know what to do with "deploy"; write `start 45m for deploy of 4.2`"#);
        insta::assert_snapshot!(advice("start 1h 93.184.216.34"), @r#"`start` does not know what to do with "93.184.216.34"; write `start 1h`"#);
        insta::assert_snapshot!(advice("start deploy --break-glass"), @r#"`start` does not know what to do with "deploy"; write `start for deploy`"#);
        insta::assert_snapshot!(advice("start until noon"), @r#"`start` does not know what to do with "until"; write `start 45m for the deploy`"#);
        insta::assert_snapshot!(advice("start 1h ip"), @"`ip` needs an address behind it, and your roles do not let you give one; write `start 45m`, and the link's page sees your address");
    }

    #[test]
    fn whoever_may_do_it_is_advised_what_everybody_reads() {
        for text in
            ["start 2", "start 30", "strat 2h", "start 2h 93.184.216.34", "start 2h ip", "extend 2", "list mine", "panic ana"]
        {
            let error = text.parse::<Command>().unwrap_err();
            assert_eq!(error.advising(&Allowed::default()), error.to_string(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_line_in_an_advice_is_understood_and_allowed(
            words in proptest::collection::vec(
                proptest::sample::select(&["2h", "2", "90", "1.5", "1:30", "deploy", "93.184.216.34", "ip", "--break-glass", "for", "0h"][..]),
                0..6,
            ),
            verb in proptest::sample::select(&["start", "strat", "extend", "exten"][..]),
        ) {
            let line = format!("{verb} {}", words.join(" "));
            let Err(error) = line.parse::<Command>() else { return Ok(()) };
            // Advises addresses, and no lines.
            if matches!(error, CommandError::Address(_)) {
                return Ok(());
            }
            let told = error.advising(&SHORT);
            // What stands first between backticks is what was written.
            for advised in told.split('`').skip(3).step_by(2) {
                match advised.parse::<Command>() {
                    Ok(Command::Start { duration, addresses, break_glass, .. }) => {
                        prop_assert!(duration.is_none_or(|duration| duration <= SHORT.longest), "{line}: {told}");
                        prop_assert!(addresses.is_empty() && !break_glass, "{line}: {told}");
                    }
                    Ok(_) => {}
                    Err(error) => prop_assert!(false, "{line}: {told}: {error}"),
                }
            }
        }
    }
}
