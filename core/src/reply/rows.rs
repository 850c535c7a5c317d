//! The rows of a session's table: one for each rule, what needs somebody's eye first, and never more than a message holds.

use std::collections::BTreeSet;

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
/// Rows with the same error from which on they are one line.
const ALIKE: usize = 3;
/// Names in such a line.
const NAMED: usize = 20;

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

/// One line for each rule, what needs somebody's eye first; folded only where a message does not hold them.
pub fn all_rows(card: &Card, markup: &dyn Markup) -> Vec<String> {
    let all: Vec<_> = card.rows.iter().map(|row| self::row(row, None, markup)).collect();
    if fit(&all, markup) { all } else { rows(card, markup) }
}

/// One line for each rule, what needs somebody's eye first; of many that are alike and well, the last are folded. Where a message does
/// not hold that, those that failed alike are one line, errors are cut, and the last line says how many resources are left out.
pub fn rows(card: &Card, markup: &dyn Markup) -> Vec<String> {
    let one_by_one = one_by_one(card, markup);
    if fit(&one_by_one, markup) {
        return one_by_one;
    }
    let [long, short] = ERRORS.map(|at_most| gathered(card, at_most, markup));
    within(if fit(&long, markup) { long } else { short }, markup)
}

fn one_by_one(card: &Card, markup: &dyn Markup) -> Vec<String> {
    if card.rows.len() <= ROWS {
        return card.rows.iter().map(|row| self::row(row, None, markup)).collect();
    }
    let shown = card.rows.iter().filter(|row| needs_eye(row)).count().clamp(ROWS, 3 * ROWS);
    let (one_by_one, rest) = card.rows.split_at(shown.min(card.rows.len()));
    one_by_one
        .iter()
        .map(|row| self::row(row, None, markup))
        .chain(folded(rest, markup).into_iter().map(|line| line.text))
        .collect()
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

/// What needs somebody's eye, those alike in one line, with so much of each error; then how many are well.
fn gathered<'a>(card: &'a Card, error: usize, markup: &dyn Markup) -> Vec<Line<'a>> {
    let well = card.rows.iter().position(|row| !needs_eye(row)).unwrap_or(card.rows.len());
    let (ill, well) = card.rows.split_at(well);
    let mut alike: Vec<Vec<&CardRow>> = Vec::new();
    for row in ill {
        match alike.iter_mut().find(|group| group.first().is_some_and(|first| first.fails_like(row))) {
            Some(group) => group.push(row),
            None => alike.push(vec![row]),
        }
    }
    let of_row = |row: &&'a CardRow| Line { text: self::row(row, Some(error), markup), resources: names_of(&[row]) };
    let of_group = |group: Vec<&'a CardRow>| match group.first().filter(|_| group.len() >= ALIKE) {
        Some(first) => vec![together(first, names_of(&group), error, markup)],
        None => group.iter().map(of_row).collect(),
    };
    alike.into_iter().flat_map(of_group).chain(folded(well, markup)).collect()
}

/// `🔴 FAILED · 87 resources: host-001, host-002, … and 67 more`, and why.
fn together<'a>(first: &CardRow, resources: BTreeSet<&'a ResourceName>, error: usize, markup: &dyn Markup) -> Line<'a> {
    let named: Vec<_> = resources.iter().take(NAMED).map(|name| markup.text(name.as_str())).collect();
    let more = resources.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (status, why) = (rule_status(first.status), why(first, Some(error), markup));
    Line { text: format!("{status} · {}: {}{more}{why}", counted(resources.len()), named.join(", ")), resources }
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
