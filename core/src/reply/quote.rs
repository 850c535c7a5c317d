//! Our own sentences in a chat: what they quote is shown as it is to be typed, and a command of the chat language as one types it there.
//!
//! Errors say `start 2h`, as it is typed at the command line. Here is the one place where that becomes `/entryguard start 2h`.

use super::message::Markup;
use crate::command::is_verb;

/// What stands before each command in a chat.
const COMMAND: &str = "/entryguard";

/// A part of a sentence.
enum Part<'a> {
    Words(&'a str),
    Quote(&'a str),
}

/// A sentence of ours in a chat's markup.
pub fn quoting(sentence: &str, markup: &dyn Markup) -> String {
    let shown = |part| match part {
        Part::Words(words) => markup.text(words),
        Part::Quote(quote) => markup.code(&typed(quote)),
    };
    parts(sentence).into_iter().map(shown).collect()
}

/// The same where a chat takes no markup.
pub fn as_typed(sentence: &str) -> String {
    let shown = |part| match part {
        Part::Words(words) => words.to_owned(),
        Part::Quote(quote) => format!("`{}`", typed(quote)),
    };
    parts(sentence).into_iter().map(shown).collect()
}

/// A line of the chat language as it is typed in a chat.
pub fn typed(line: &str) -> String {
    let is_command = line.split_whitespace().next().is_some_and(is_verb);
    if is_command { format!("{COMMAND} {line}") } else { line.to_owned() }
}

/// What stands between two backticks is a quote; one that has no partner is a character like any other.
fn parts(sentence: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), sentence);
    while let Some((before, after)) = rest.split_once('`') {
        let Some((quote, then)) = after.split_once('`').filter(|(quote, _)| !quote.is_empty()) else { break };
        parts.extend([Part::Words(before), Part::Quote(quote)]);
        rest = then;
    }
    parts.push(Part::Words(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::super::message::Words;
    use super::*;

    #[test]
    fn a_quoted_command_is_what_one_types_in_a_chat_and_nothing_else_changes() {
        assert_eq!(as_typed("Run `start 2h` again."), "Run `/entryguard start 2h` again.");
        assert_eq!(
            as_typed("Write `2h` for hours, or `entryguard panic lift`."),
            "Write `2h` for hours, or `entryguard panic lift`."
        );
        assert_eq!(as_typed("`strat` is no command; `help` helps"), "`strat` is no command; `/entryguard help` helps");
        assert_eq!(as_typed(&as_typed("`stop`")), "`/entryguard stop`");
        for odd in ["a`b", "``", "`", "", "a``b`c"] {
            assert_eq!(as_typed(odd), odd);
        }
        assert_eq!(quoting("Run `stop`.", &Words), "Run /entryguard stop.");
    }
}
