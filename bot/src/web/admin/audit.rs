//! The audit log: who did what to which session, the newest first.

use axum::extract::{Query, State};
use axum::response::Response;
use entryguard_core::domain::{AuditAction, AuditEntry, Directory, MemberName, SessionId, Timestamp};
use entryguard_core::engine::{AuditFilter, AuditPart, Caller, Engine};
use maud::{Markup, html};
use serde::Deserialize;

use super::{heading, shown};
use crate::web::layout::Place;
use crate::web::parts::moment;
use crate::web::visitor::{Visitor, WebState};

/// Entries on one page.
const ENTRIES: u32 = 50;

/// Which entries to show, as the form sends it.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    member: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    before: Option<i64>,
}

/// A part of the log.
pub async fn log(State(state): State<WebState>, visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let engine = &state.shared.engine;
    let found = engine.audit(&visitor.caller, asked.filter(engine, &visitor.caller).await).await;
    let directory = engine.directory();
    shown(&visitor, Place::Audit, "Audit log", found.map(|found| page(&found, &asked, &directory)))
}

impl Asked {
    async fn filter(&self, engine: &Engine, caller: &Caller) -> AuditFilter {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let session = match given(&self.session) {
            // People name a session by the first characters of its id.
            Some(name) => Some(match engine.show(caller, &name).await {
                Ok(view) => view.session.id,
                Err(_) => SessionId::from_stored(name),
            }),
            None => None,
        };
        AuditFilter {
            member: given(&self.member).and_then(|name| MemberName::new(name).ok()),
            action: given(&self.action),
            session,
            since: minute(&self.since),
            until: minute(&self.until),
            before: self.before,
            at_most: ENTRIES,
        }
    }

    fn before(&self, seq: i64) -> String {
        let fields = [
            ("member", self.member.as_str()),
            ("action", &self.action),
            ("session", &self.session),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let mut given: Vec<_> = fields.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        let seq = seq.to_string();
        given.push(("before", &seq));
        format!("{}?{}", Place::Audit.path(), serde_urlencoded::to_string(given).unwrap_or_default())
    }
}

/// What a browser's field for a time sends, taken for UTC: `2026-01-31T08:00`.
fn minute(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{}:00Z", text.trim()))
}

fn page(found: &AuditPart, asked: &Asked, directory: &Directory) -> Markup {
    html! {
        (heading("Audit log", "Every change, in the transaction that made it. “entryguard audit verify” proves that no entry was changed."))
        (filters(asked, directory))
        section class="card" aria-label="Entries" {
            @if found.entries.is_empty() {
                p class="note" { "No entry is like that." }
            } @else {
                table class="plain audit" role="table" {
                    caption class="unseen" { "Entries of the audit log" }
                    thead role="rowgroup" { tr role="row" {
                        @for heading in ["Time", "Who", "What", "Session", "Details"] { th role="columnheader" scope="col" { (heading) } }
                    } }
                    tbody role="rowgroup" { @for entry in &found.entries { (row(entry)) } }
                }
            }
            p class="pages" {
                @if asked.before.is_some() { a href=(Place::Audit.path()) { "Newest" } }
                @if let Some(next) = found.next { a rel="next" href=(asked.before(next)) { "Older" } }
            }
        }
    }
}

fn filters(asked: &Asked, directory: &Directory) -> Markup {
    html! {
        form method="get" action=(Place::Audit.path()) class="filters" {
            div class="field" {
                label for="member" { "Member" }
                input id="member" name="member" list="members" value=(asked.member) autocomplete="off";
                datalist id="members" { @for name in directory.members.keys() { option value=(name) {} } }
            }
            div class="field" {
                label for="action" { "What" }
                select id="action" name="action" {
                    option value="" { "Everything" }
                    @for action in AuditAction::ALL { option value=(action) selected[asked.action == action.as_str()] { (action) } }
                }
            }
            div class="field" {
                label for="session" { "Session" }
                input id="session" name="session" value=(asked.session) size="10" autocomplete="off" placeholder="4f2a91c0";
            }
            div class="field" { label for="since" { "From (UTC)" } input id="since" name="since" type="datetime-local" value=(asked.since); }
            div class="field" { label for="until" { "Until (UTC)" } input id="until" name="until" type="datetime-local" value=(asked.until); }
            button type="submit" { "Show" }
            a class="clear" href=(Place::Audit.path()) { "Clear" }
        }
    }
}

fn row(entry: &AuditEntry) -> Markup {
    html! {
        tr role="row" {
            td role="cell" data-label="Time" { (moment(entry.at)) }
            td role="cell" data-label="Who" { (entry.actor) @if let Some(surface) = &entry.surface { div class="note" { (surface) } } }
            td role="cell" data-label="What" { code class="action" { (entry.action) } }
            td role="cell" data-label="Session" {
                @if let Some(session) = &entry.session {
                    a href={ (Place::Audit.path()) "?session=" (session) } { code { (session.get(..8).unwrap_or(session)) } }
                }
            }
            td role="cell" data-label="Details" class="details" { (details(&entry.details)) }
        }
    }
}

/// The facts of an entry: its JSON, a field a line.
fn details(json: &str) -> Markup {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::Object(fields)) => html! {
            @if !fields.is_empty() {
                dl { @for (name, value) in &fields { @if !is_nothing(value) { dt { (name) } dd { (plain(value)) } } } }
            }
        },
        _ => html! { code { (json) } },
    }
}

fn is_nothing(value: &serde_json::Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        serde_json::Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !is_nothing(value))
            .map(|(name, value)| format!("{name} {}", plain(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_told_without_their_markup_and_without_what_is_not_there() {
        let json = r#"{"addresses":"93.184.216.34","leftOut":[],"reason":"<b>","resources":["a","b"],"evidence":{"learntBy":"link"},"x":null}"#;
        insta::assert_snapshot!(details(json).into_string(), @"<dl><dt>addresses</dt><dd>93.184.216.34</dd><dt>evidence</dt><dd>learntBy link</dd><dt>reason</dt><dd>&lt;b&gt;</dd><dt>resources</dt><dd>a, b</dd></dl>");
    }

    #[test]
    fn the_next_part_is_of_the_same_entries() {
        let asked = Asked { member: "ana b".to_owned(), since: "2026-01-31T08:00".to_owned(), ..Asked::default() };
        assert_eq!(asked.before(17), "/admin/audit?member=ana+b&since=2026-01-31T08%3A00&before=17");
        assert_eq!(minute(&asked.since), Timestamp::parse("2026-01-31T08:00:00Z"));
        assert_eq!(minute("yesterday"), None);
    }
}
