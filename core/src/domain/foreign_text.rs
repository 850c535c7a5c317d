//! Text of foreign origin, made safe to show: only characters that a reader sees, in the order in which they are stored.
//!
//! Reasons, chat texts, display names, an operator's words and a provider's messages are all read by others: on terminals that obey
//! escape sequences, on pages and in chats that obey bidirectional controls. Each passes through here where it enters.

use std::iter::Peekable;
use std::str::Chars;

/// The text on one line: single spaces, no control characters, nothing invisible.
pub fn one_line(text: &str) -> String {
    words(&shown(text))
}

/// The text with its line ends, each line as [`one_line`] shows it except that its indentation stays; no empty line at the end.
pub fn lines(text: &str) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start_matches(' ').len();
        format!("{}{}", &line[..indent], one_line(line)).trim_end().to_owned()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ESCAPE => {
                skip_sequence(&mut rest);
                shown.push(' ');
            }
            _ if separates(character) => shown.push(' '),
            _ if is_invisible(character) => {
                if joins_emoji(character, shown.chars().next_back(), rest.peek().copied()) {
                    shown.push(character);
                }
            }
            _ => shown.push(character),
        }
    }
    shown
}

const ESCAPE: char = '\u{1b}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const EMOJI_SELECTOR: char = '\u{fe0f}';

/// Skips the rest of a terminal's control sequence (ECMA-48, `CSI`): programs colour their errors with them. Of every other sequence
/// only the escape character is dropped, so that no text can be hidden in it.
fn skip_sequence(rest: &mut Peekable<Chars<'_>>) {
    if rest.next_if_eq(&'[').is_none() {
        return;
    }
    while rest.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
    rest.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

/// What breaks a line or acts on a terminal, and U+2800, which is a blank although Unicode counts it as a symbol.
fn separates(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{2800}')
}

/// Unicode's `Default_Ignorable_Code_Point` (bidirectional controls, zero-width characters, fillers, variation selectors, tags), and the
/// annotation characters U+FFF9 to U+FFFB.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Emoji are written with a selector behind a symbol and joiners between symbols: people's names and reasons have them, and what they
/// make is seen. Anywhere else both are dropped, also in scripts that use joiners: their words stay legible without.
fn joins_emoji(character: char, before: Option<char>, after: Option<char>) -> bool {
    let pictograph =
        |c: char| matches!(c, '\u{a9}' | '\u{ae}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') && c != '\u{2800}';
    match character {
        EMOJI_SELECTOR => before.is_some_and(pictograph),
        ZERO_WIDTH_JOINER => before.is_some_and(|c| pictograph(c) || c == EMOJI_SELECTOR) && after.is_some_and(pictograph),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_turns_the_order_or_is_not_seen_is_dropped() {
        for (given, shown) in [
            ("routine \u{202e}gnihtyreve eteled\u{202c}", "routine gnihtyreve eteled"),
            ("\u{2066}iso\u{2069} \u{200e}l\u{200f}r\u{61c}", "iso lr"),
            ("a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}", "abcde"),
            ("\u{e0041}\u{e0042}\u{e007f}x", "x"),
            ("\u{ad}s\u{34f}o\u{3164}f\u{180e}t\u{fe0f}\u{e0100}", "soft"),
            ("\u{200b}\u{3164}\u{2800}", ""),
            ("a\u{2028}b\u{2029}c\u{85}d\u{a0}e\u{2003}f\tg\r\nh", "a b c d e f g h"),
        ] {
            assert_eq!(one_line(given), shown, "{given:?}");
        }
    }

    #[test]
    fn a_terminals_sequences_do_nothing_and_hide_nothing() {
        assert_eq!(one_line("bad \u{1b}[31mRED\u{1b}[0m \u{1b}]0;title\u{7}\rgood"), "bad RED ]0;title good");
        assert_eq!(one_line("a\u{1b}[2K\u{1b}[1;1Hb\u{9b}31mc\u{1b}"), "a b 31mc");
        assert_eq!(one_line("\u{1b}[31"), "");
        assert_eq!(one_line("\u{1b}[\u{7}x\u{1b}Pq"), "x Pq");
    }

    #[test]
    fn emoji_and_every_script_stay_as_they_are_seen() {
        for text in ["👩\u{200d}💻 deploys", "❤\u{fe0f}\u{200d}🔥", "👍🏽", "R&D <5 naïve", "日本語", "עברית", "한국어", "e\u{301}"]
        {
            assert_eq!(one_line(text), text);
        }
        assert_eq!(one_line("👩\u{200d}"), "👩");
        assert_eq!(one_line("👩\u{200d}\u{e0041}x"), "👩x");
    }

    #[test]
    fn lines_stay_lines_where_they_may() {
        assert_eq!(lines("error:\r\n  a \u{202e}b\u{1b}[1m\n\n"), "error:\n  a b");
        assert_eq!(lines(""), "");
    }

    proptest! {
        #[test]
        fn nothing_that_is_not_seen_comes_through(text in any::<String>()) {
            let line = one_line(&text);
            prop_assert!(!line.contains(separates), "{line:?}");
            let odd = line.chars().filter(|c| is_invisible(*c) && !matches!(*c, ZERO_WIDTH_JOINER | EMOJI_SELECTOR)).count();
            prop_assert_eq!(odd, 0);
            prop_assert_eq!(one_line(&line), line);
        }
    }
}
