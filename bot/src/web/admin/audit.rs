//! The audit log: who did what to which session, the newest first.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use entryguard_core::domain::{AuditAction, AuditEntry, Directory, MemberName, SessionId, Timestamp};
use entryguard_core::engine::{AuditFilter, AuditPart, Caller, Engine, EngineError};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::{heading, shown_as};
use crate::web::asked::InAddress;
use crate::web::layout::Place;
use crate::web::parts::moment;
use crate::web::visitor::{Visitor, WebState};

/// Entries on one page.
const ENTRIES: u32 = 50;
/// Characters of a session's id.
const WHOLE_ID: usize = 36;

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

/// What of a form cannot be read, by its field: whoever looks into something must not take everything for what they asked for.
type Wrong = BTreeMap<&'static str, String>;

/// A part of the log.
pub async fn log(State(state): State<WebState>, visitor: Visitor, InAddress(asked): InAddress<Asked>) -> Response {
    let (status, content) = match try_to_show(&state.shared.engine, &visitor.caller, &asked).await {
        Ok((status, content)) => (status, Ok(content)),
        Err(error) => (StatusCode::OK, Err(error)),
    };
    shown_as(status, &visitor, Place::Audit, "Audit log", content)
}

async fn try_to_show(engine: &Engine, caller: &Caller, asked: &Asked) -> Result<(StatusCode, Markup), EngineError> {
    // What is wrong is told to administrators alone, too: it is said beside everybody's names.
    let directory = engine.everybody(caller)?;
    match asked.filter(engine, caller).await? {
        Ok(filter) => {
            let found = engine.audit(caller, filter).await?;
            Ok((StatusCode::OK, page(Some(&found), asked, &directory, &Wrong::new())))
        }
        Err(wrong) => Ok((StatusCode::BAD_REQUEST, page(None, asked, &directory, &wrong))),
    }
}

impl Asked {
    /// Which entries that are, or what of it cannot be read.
    async fn filter(&self, engine: &Engine, caller: &Caller) -> Result<Result<AuditFilter, Wrong>, EngineError> {
        let mut wrong = Wrong::new();
        let mut tell = |field, why: String| _ = wrong.insert(field, why);
        let member = given(&self.member).and_then(|name| match MemberName::new(name) {
            Ok(name) => Some(name),
            Err(_) => {
                tell("member", format!("{name:?} is no member’s name."));
                None
            }
        });
        let action = given(&self.action);
        if let Some(unknown) = action.filter(|text| AuditAction::ALL.iter().all(|action| action.as_str() != *text)) {
            tell("action", format!("Nothing is called {unknown:?}."));
        }
        let session = match given(&self.session) {
            Some(name) => match session(engine, caller, name).await? {
                Ok(id) => Some(id),
                Err(why) => {
                    tell("session", why);
                    None
                }
            },
            None => None,
        };
        let mut time = |field, text: &str| match (given(text), moment_of(text)) {
            (Some(text), None) => {
                tell(field, format!("{text:?} is no time; write it as 2026-01-31T08:00."));
                None
            }
            (_, time) => time,
        };
        let (since, until) = (time("since", &self.since), time("until", &self.until));
        if since.zip(until).is_some_and(|(since, until)| until < since) {
            tell("until", "That is before it begins.".to_owned());
        }
        if !wrong.is_empty() {
            return Ok(Err(wrong));
        }
        let action = action.map(str::to_owned);
        Ok(Ok(AuditFilter { member, action, session, since, until, before: self.before, at_most: ENTRIES }))
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

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The session that a text names: people write the first characters of its id.
async fn session(engine: &Engine, caller: &Caller, name: &str) -> Result<Result<SessionId, String>, EngineError> {
    match engine.show(caller, name).await {
        Ok(view) => Ok(Ok(view.session.id)),
        Err(EngineError::SessionAmbiguous(_)) => Ok(Err("More than one session begins so; write more of it.".to_owned())),
        // The log knows more than there is now.
        Err(EngineError::SessionUnknown(_)) if name.len() == WHOLE_ID => Ok(Ok(SessionId::from_stored(name))),
        Err(EngineError::SessionUnknown(_)) => {
            Ok(Err("No session begins so; write at least four characters of it, or all.".to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// What a browser's field for a time sends, taken for UTC: `2026-01-31T08:00`, or with seconds.
fn moment_of(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace(' ', "T");
    let seconds = if text.len() == "2026-01-31T08:00".len() { ":00" } else { "" };
    Timestamp::parse(&format!("{text}{seconds}Z"))
}

/// The log, or where it is not known which part of it, the question alone.
fn page(found: Option<&AuditPart>, asked: &Asked, directory: &Directory, wrong: &Wrong) -> Markup {
    html! {
        (heading("Audit log", "Every change, in the transaction that made it. “entryguard audit verify” proves that no entry was changed."))
        (filters(asked, directory, wrong))
        @match found {
            Some(found) => { (entries(found, asked)) },
            None => { p class="alert" role="alert" { "Nothing is shown, because what you asked for cannot be read. What is wrong is said beside it." } },
        }
    }
}

fn entries(found: &AuditPart, asked: &Asked) -> Markup {
    html! {
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

fn filters(asked: &Asked, directory: &Directory, wrong: &Wrong) -> Markup {
    let name = |field: &str| wrong.contains_key(field).then(|| format!("{field}-wrong"));
    let is_wrong = |field: &str| wrong.contains_key(field).then_some("true");
    let why = |field: &str| html! { @if let Some(why) = wrong.get(field) { p class="error" id={ (field) "-wrong" } { (why) } } };
    let time = |field: &str, label: &str, value: &str| {
        html! {
            div class="field" {
                label for=(field) { (label) }
                // What is no time would be shown as an empty field.
                input id=(field) name=(field) type=(if wrong.contains_key(field) { "text" } else { "datetime-local" }) value=(value)
                    aria-invalid=[is_wrong(field)] aria-describedby=[name(field)];
                (why(field))
            }
        }
    };
    html! {
        form method="get" action=(Place::Audit.path()) class="filters" {
            div class="field" {
                label for="member" { "Member" }
                input id="member" name="member" list="members" value=(asked.member) autocomplete="off"
                    aria-invalid=[is_wrong("member")] aria-describedby=[name("member")];
                (why("member"))
                datalist id="members" { @for name in directory.members.keys() { option value=(name) {} } }
            }
            div class="field" {
                label for="action" { "What" }
                select id="action" name="action" aria-invalid=[is_wrong("action")] aria-describedby=[name("action")] {
                    option value="" { "Everything" }
                    @for action in AuditAction::ALL { option value=(action) selected[asked.action == action.as_str()] { (action) } }
                }
                (why("action"))
            }
            div class="field" {
                label for="session" { "Session" }
                input id="session" name="session" value=(asked.session) size="10" autocomplete="off" placeholder="4f2a91c0"
                    aria-invalid=[is_wrong("session")] aria-describedby=[name("session")];
                (why("session"))
            }
            (time("since", "From (UTC)", &asked.since))
            (time("until", "Until (UTC)", &asked.until))
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
        let morning = Timestamp::parse("2026-01-31T08:00:00Z");
        for text in ["2026-01-31T08:00", "2026-01-31T08:00:00", " 2026-01-31 08:00 ", "2026-01-31T08:00:00.000"] {
            assert_eq!(moment_of(text), morning, "{text}");
        }
        assert_eq!((moment_of("yesterday"), moment_of("2026-01-31"), moment_of("")), (None, None, None));
    }
}
