//! What somebody meant whose line is no command: the nearest right one, or none where nothing is near.

use super::Command;
use super::parse::{BREAK_GLASS, VERBS};
use super::words::{addresses_in, bare};
use crate::domain::{HostAddress, Span};

/// The longest line that is worth suggesting.
const LONGEST: usize = 120;
/// Below this, two words are not alike.
const ALIKE: f64 = 0.83;

/// What a start has said before the word that it has no use for.
pub(super) struct Said<'a> {
    pub(super) duration: Option<Span>,
    pub(super) addresses: &'a [HostAddress],
    pub(super) break_glass: bool,
}

/// The line of somebody who forgot to say what a word is: where the reason begins, or an address; if it makes sense so.
pub(super) fn start(said: &Said<'_>, word: &str, rest: &str) -> String {
    let words = || std::iter::once(word).chain(rest.split_whitespace());
    let given = said.addresses.iter().map(ToString::to_string);
    let addresses: Vec<_> = given.chain(words().flat_map(addresses_in).map(str::to_owned)).collect();
    let leads_to_one = |word: &&str| !addresses.is_empty() && ["from", "at", "address"].contains(word);
    let is_lead = |word: &&str| *word == "and" || leads_to_one(word);
    let mut reason: Vec<_> = words().filter(|word| addresses_in(word).is_empty()).skip_while(is_lead).collect();
    let duration = said.duration.or_else(|| take_last_duration(&mut reason));
    let mut meant = vec!["start".to_owned()];
    meant.extend(said.break_glass.then(|| BREAK_GLASS.to_owned()));
    meant.extend(duration.map(|span| span.to_string()));
    meant.extend(addresses.iter().map(|address| format!("ip {address}")));
    if let Some(first) = reason.first() {
        // It says itself that it is a reason.
        let says_so = ["for", "because"].iter().any(|word| first.eq_ignore_ascii_case(word));
        meant.extend((!says_so).then(|| "for".to_owned()));
        meant.push(reason.join(" "));
    }
    let meant = meant.join(" ");
    let is_time = ["until", "till", "til", "to"].iter().any(|until| word.eq_ignore_ascii_case(until));
    if !is_time && is_short_and_right(&meant) { meant } else { "start 2h for the deploy".to_owned() }
}

/// `deploy 2h` lasts 2h.
fn take_last_duration(reason: &mut Vec<&str>) -> Option<Span> {
    let span = reason.last().and_then(|word| bare(word).parse().ok())?;
    reason.pop();
    Some(span)
}

/// The answer to a request that somebody meant. What is refused is never turned into its contrary.
pub(super) fn answer(verb: &str, session: &str) -> String {
    let is_name = session.len() <= LONGEST && session.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    format!("{verb} {}", if is_name { session } else { "1a2b3c4d" })
}

/// The line with the verb that was probably meant; that alone where the rest makes no sense behind it.
pub(super) fn line(verb: &str, rest: &str) -> Option<String> {
    let nearest = verb_of(verb)?;
    let line = format!("{nearest} {rest}");
    Some(if !rest.is_empty() && is_short_and_right(&line) { line } else { nearest.to_owned() })
}

/// Nobody types a long line again by hand.
fn is_short_and_right(line: &str) -> bool {
    !line.contains('`') && line.chars().count() <= LONGEST && line.parse::<Command>().is_ok()
}

fn verb_of(given: &str) -> Option<&'static str> {
    let meant = match given {
        "delete" | "remove" | "quit" | "finish" | "disconnect" => "stop",
        "renew" | "prolong" | "continue" | "more" | "longer" => "extend",
        "accept" | "allow" | "grant" => "approve",
        "reject" | "refuse" | "decline" => "deny",
        "begin" | "connect" => "start",
        "sessions" => "list",
        "login" | "signin" | "sign-in" => "web",
        _ => return alike(given),
    };
    Some(meant)
}

fn alike(given: &str) -> Option<&'static str> {
    let closeness = |verb: &str| strsim::jaro_winkler(given, verb);
    // Closing everything at once is suggested only to whoever nearly wrote it.
    let is_near = |verb: &&str| match *verb {
        "panic" => strsim::osa_distance(given, verb) <= 1,
        verb => closeness(verb) >= ALIKE,
    };
    let near = VERBS.into_iter().filter(is_near);
    near.max_by(|a, b| closeness(a).total_cmp(&closeness(b)))
}
