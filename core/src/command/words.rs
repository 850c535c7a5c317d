//! The words of a text, with a look ahead; and durations as people write them: `2h`, `1 hour and 30 minutes`, `half an hour`.

use std::net::IpAddr;

use crate::domain::{Span, SpanError, is_number};

/// The words of a text, with a look ahead.
#[derive(Clone)]
pub(super) struct Words<'a> {
    /// What is not taken yet.
    pub(super) rest: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.trim() }
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.rest.split_whitespace().next()
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.rest = self.rest[word.len()..].trim_start();
        Some(word)
    }

    /// Passes over the next word if it is one of these.
    pub(super) fn skip(&mut self, any: &[&str]) {
        if self.peek().is_some_and(|word| any.iter().any(|one| word.eq_ignore_ascii_case(one))) {
            self.next();
        }
    }

    /// Takes a duration of one or more words. What begins with a digit has to be one; other words are one, or are left alone.
    pub(super) fn duration(&mut self) -> Result<Option<Span>, SpanError> {
        let Some((mut text, unit)) = self.part() else { return Ok(None) };
        text.parse::<Span>()?;
        let mut unit = unit;
        loop {
            let mut ahead = self.clone();
            if let Some(half) = unit.and_then(half_of)
                && ahead.take(&["and", "a", "half"])
            {
                text = format!("{text} {half}");
                unit = None;
            } else {
                ahead.skip(&["and"]);
                let Some((part, of)) = ahead.part().filter(|(part, _)| part.parse::<Span>().is_ok()) else { break };
                text = format!("{text} {part}");
                unit = of;
            }
            *self = ahead;
        }
        text.parse().map(Some)
    }

    /// The same behind `for` and `by`, where words may lead to it: `for the next two hours`, `by another 30m`.
    pub(super) fn duration_behind_a_word(&mut self) -> Result<Option<Span>, SpanError> {
        let mut ahead = self.clone();
        for lead in ["about", "the", "next", "another", "just", "only"] {
            ahead.skip(&[lead]);
        }
        if ahead.rest.len() == self.rest.len() {
            return self.duration();
        }
        // `the 3rd attempt` is no duration, and no slip either.
        let duration = ahead.duration().unwrap_or_default();
        if duration.is_some() {
            *self = ahead;
        }
        Ok(duration)
    }

    /// One part of a duration as a span is written, and its unit where it may be followed by `and a half`.
    fn part(&mut self) -> Option<(String, Option<&'static str>)> {
        let mut ahead = self.clone();
        let word = bare(ahead.next()?).to_ascii_lowercase();
        let digits = is_number(&word);
        let part = if is_like_a_duration(&word) && !digits {
            // `1:30 hours` says no more than `1:30`.
            if word.contains(':') && ahead.clone().unit() == Some("h") {
                ahead.next();
            }
            (word, None)
        } else if word == "half" {
            ahead.skip(&["a"]);
            ahead.skip(&["an"]);
            (half_of(ahead.unit()?)?.to_owned(), None)
        } else {
            let count = if digits { word } else { number(&word)?.to_owned() };
            let mut halves = ahead.clone();
            let half = halves.take(&["and", "a", "half"]).then(|| halves.unit()).flatten();
            match (ahead.unit(), half.and_then(|unit| Some((unit, half_of(unit)?)))) {
                // `a second look` is no time that anybody needs.
                (Some("s"), _) if !digits => return None,
                (Some(unit), _) => (format!("{count}{unit}"), Some(unit)),
                (None, Some((unit, half))) => {
                    ahead = halves;
                    (format!("{count}{unit} {half}"), None)
                }
                // A number alone says what it lacks; a word may be anything.
                (None, None) if digits => (count, None),
                (None, None) => return None,
            }
        };
        *self = ahead;
        Some(part)
    }

    /// Takes these words, all of them or none.
    fn take(&mut self, all: &[&str]) -> bool {
        let mut ahead = self.clone();
        let taken = all.iter().all(|one| ahead.next().is_some_and(|word| bare(word).eq_ignore_ascii_case(one)));
        if taken {
            *self = ahead;
        }
        taken
    }

    fn unit(&mut self) -> Option<&'static str> {
        let unit = match bare(self.peek()?).to_ascii_lowercase().as_str() {
            "d" | "day" | "days" => "d",
            "h" | "hr" | "hrs" | "hour" | "hours" => "h",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            _ => return None,
        };
        self.next();
        Some(unit)
    }
}

/// Whether a word is meant for a duration, well written or not: `1h30`, `-1h`, `½h`, `PT1H`.
fn is_like_a_duration(word: &str) -> bool {
    let word = word.strip_prefix("pt").unwrap_or(word);
    let unsigned = word.trim_start_matches(|c: char| "+-−:.".contains(c));
    word.starts_with('.') || word.len() - unsigned.len() <= '−'.len_utf8() && unsigned.starts_with(char::is_numeric)
}

/// The reason, and the duration that stands behind it: `the deploy for 30m`.
pub(super) fn duration_at_the_end(text: &str) -> Option<(&str, Span)> {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || ".!,;".contains(c));
    let mut words = Words::new(text);
    loop {
        let before = text.len() - words.rest.len();
        let is_for = words.next()?.eq_ignore_ascii_case("for");
        let mut ahead = words.clone();
        if is_for
            && let Ok(Some(span)) = ahead.duration_behind_a_word()
            && ahead.rest.is_empty()
        {
            return Some((bare(text[..before].trim()), span));
        }
    }
}

/// A word without what stands between it and the next.
pub(super) fn bare(word: &str) -> &str {
    word.trim_end_matches([',', ';'])
}

/// The addresses that a word has, of one host or of many: more than one where commas join them; none where it is another word.
pub(super) fn addresses_in(word: &str) -> Vec<&str> {
    let is_like_one = |part: &&str| part.split('/').next().is_some_and(|host| host.parse::<IpAddr>().is_ok());
    let parts: Vec<_> = word.split([',', ';']).filter(|part| !part.is_empty()).collect();
    if parts.iter().all(is_like_one) { parts } else { Vec::new() }
}

fn half_of(unit: &str) -> Option<&'static str> {
    match unit {
        "d" => Some("12h"),
        "h" => Some("30m"),
        "m" => Some("30s"),
        _ => None,
    }
}

/// Numbers that people write as words.
fn number(word: &str) -> Option<&'static str> {
    Some(match word {
        "a" | "an" | "one" => "1",
        "two" => "2",
        "three" => "3",
        "four" => "4",
        "five" => "5",
        "six" => "6",
        "seven" => "7",
        "eight" => "8",
        "nine" => "9",
        "ten" => "10",
        "eleven" => "11",
        "twelve" => "12",
        "fifteen" => "15",
        "twenty" => "20",
        "thirty" => "30",
        "forty" => "40",
        "forty-five" => "45",
        "fifty" => "50",
        "sixty" => "60",
        "ninety" => "90",
        _ => return None,
    })
}
