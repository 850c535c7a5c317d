//! The rows of a session's table: one for each rule, what needs somebody's eye first, and never more than a message holds.

use std::collections::BTreeSet;

use super::alike::{ALIKE, Likeness, gathered, named, said_together, what_to_do};
use super::message::Markup;
use super::thread::rule_status;
use super::{Card, CardRow};
use crate::domain::{ResourceName, RuleStatus};

/// Rows that are shown one by one; of the rest that is well, only the number is.
const ROWS: usize = 40;
/// Characters of what stands above the rows, at the most.
const HEADING: usize = 300;
/// Characters of the line that says what was left out, at the most.
const MORE: usize = 60;
/// What is left of an error where many have to fit, in characters: all of most, and else the beginning.
const ERRORS: [usize; 2] = [200, 60];

/// A line, and the resources that it is about.
struct Line<'a> {
    text: String,
    resources: BTreeSet<&'a ResourceName>,
}

impl AsRef<str> for Line<'_> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// What needs attention first, those that failed alike in one line; then one line for each other rule. Folded only where a message does
/// not hold them.
pub fn all_rows(card: &Card, markup: &dyn Markup) -> Vec<String> {
    let all = one_by_one(card, usize::MAX, markup);
    if fit(&all, markup) { all } else { rows(card, markup) }
}

/// The same, and of many that are alike and well, the last are folded. Where a message does not hold that, errors are cut, and the last
/// line says how many resources are left out.
pub fn rows(card: &Card, markup: &dyn Markup) -> Vec<String> {
    let one_by_one = one_by_one(card, ROWS, markup);
    if fit(&one_by_one, markup) {
        return one_by_one;
    }
    let [long, short] = ERRORS.map(|at_most| {
        let (ill, well) = by_need(card);
        ill_ones(ill, Some(at_most), markup).into_iter().chain(folded(well, markup)).collect::<Vec<_>>()
    });
    within(if fit(&long, markup) { long } else { short }, markup)
}

/// So many lines, and then a line for each status of the rest that is well.
fn one_by_one(card: &Card, at_most: usize, markup: &dyn Markup) -> Vec<String> {
    let (ill, well) = by_need(card);
    let ill = ill_ones(ill, None, markup);
    let shown = at_most.saturating_sub(ill.len()).min(well.len());
    let (shown, rest) = well.split_at(shown);
    let shown = shown.iter().map(|row| self::row(row, None, markup));
    let texts = |lines: Vec<Line<'_>>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
    texts(ill).into_iter().chain(shown).chain(texts(folded(rest, markup))).collect()
}

/// What needs attention, and what is well. They are in this order already.
fn by_need(card: &Card) -> (&[CardRow], &[CardRow]) {
    let well = card.rows.iter().position(|row| !needs_eye(row)).unwrap_or(card.rows.len());
    card.rows.split_at(well)
}

/// A line for each status of these.
fn folded<'a>(rows: &'a [CardRow], markup: &dyn Markup) -> Vec<Line<'a>> {
    let of_status = |status| {
        let alike: Vec<_> = rows.iter().filter(|row| row.status == status).collect();
        let name = |row: &CardRow| markup.text(row.resource.as_str());
        let (first, last) = (name(alike.first()?), name(alike.last()?));
        let text = format!("{} · {} more, {first} … {last}", rule_status(status), alike.len());
        Some(Line { text, resources: names_of(&alike) })
    };
    RuleStatus::ALL.into_iter().filter_map(of_status).collect()
}

/// What needs attention, those alike in one line, with so much of each error.
fn ill_ones<'a>(ill: &'a [CardRow], error: Option<usize>, markup: &dyn Markup) -> Vec<Line<'a>> {
    let of_row = |row: &&'a CardRow| Line { text: self::row(row, error, markup), resources: names_of(&[row]) };
    let of_group = |group: Vec<&'a CardRow>| match group.first().filter(|_| group.len() >= ALIKE) {
        Some(first) => vec![together(first, names_of(&group), error, markup)],
        None => group.iter().map(of_row).collect(),
    };
    gathered(ill, CardRow::likeness).into_iter().flat_map(of_group).collect()
}

/// `🔴 FAILED · 87 resources are full: host-001, host-002, … and 67 more`, and what to do or why.
fn together<'a>(first: &CardRow, resources: BTreeSet<&'a ResourceName>, error: Option<usize>, markup: &dyn Markup) -> Line<'a> {
    let names: Vec<_> = resources.iter().map(|name| markup.text(name.as_str())).collect();
    let (status, names) = (rule_status(first.status), named(&names));
    let text = match first.likeness() {
        (_, Likeness::Cause(cause)) => {
            format!("{status} · {}: {names}\n      {}", said_together(cause, resources.len()), markup.text(what_to_do(cause)))
        }
        (_, Likeness::Reason(_)) => format!("{status} · {}: {names}{}", counted(resources.len()), why(first, error, markup)),
    };
    Line { text, resources }
}

/// `3 resources`.
fn counted(resources: usize) -> String {
    format!("{resources} {}", if resources == 1 { "resource" } else { "resources" })
}

fn names_of<'a>(rows: &[&'a CardRow]) -> BTreeSet<&'a ResourceName> {
    rows.iter().map(|row| &row.resource).collect()
}

/// As many lines as a message holds, and how many resources are not in them.
fn within(lines: Vec<Line<'_>>, markup: &dyn Markup) -> Vec<String> {
    if fit(&lines, markup) {
        return lines.into_iter().map(|line| line.text).collect();
    }
    let mut room = markup.holds().saturating_sub(HEADING + MORE);
    let mut kept = Vec::new();
    let mut rest = lines.into_iter();
    let mut left_out = BTreeSet::new();
    for line in rest.by_ref() {
        let length = line.as_ref().chars().count() + 1;
        if length > room {
            left_out.extend(line.resources);
            break;
        }
        room -= length;
        kept.push(line.text);
    }
    left_out.extend(rest.flat_map(|line| line.resources));
    kept.push(format!("… and {} more {}", left_out.len(), if left_out.len() == 1 { "resource" } else { "resources" }));
    kept
}

fn fit(lines: &[impl AsRef<str>], markup: &dyn Markup) -> bool {
    let characters: usize = lines.iter().map(|line| line.as_ref().chars().count() + 1).sum();
    characters + HEADING <= markup.holds()
}

fn needs_eye(row: &CardRow) -> bool {
    row.error.is_some() || row.status == RuleStatus::Failed
}

/// A rule, with its error or the beginning of that.
fn row(row: &CardRow, error: Option<usize>, markup: &dyn Markup) -> String {
    let foreign = if row.foreign { " · somebody else's rule, left as it is" } else { "" };
    let name = markup.bold(&markup.text(row.resource.as_str()));
    let why = why(row, error, markup);
    format!("{} · {name} · {} {}{foreign}{why}", rule_status(row.status), row.address, row.family())
}

fn why(row: &CardRow, at_most: Option<usize>, markup: &dyn Markup) -> String {
    let Some(error) = row.error.as_deref() else { return String::new() };
    let kept: String = error.chars().take(at_most.unwrap_or(usize::MAX)).collect();
    let cut = if kept.len() < error.len() { "…" } else { "" };
    format!("\n      {}{cut}", markup.text(&kept))
}
