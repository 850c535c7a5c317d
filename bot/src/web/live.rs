//! What of a page changes by itself: rendered here whenever a session may have changed, and put into the page by the script.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::{MemberName, SessionCursor, SessionStatus};
use entryguard_core::engine::{EngineError, Listed, Whose};
use entryguard_core::reply::Card;
use entryguard_core::store::SessionView;
use http::StatusCode;
use maud::{Markup, html};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

use super::asked::InAddress;
use super::layout::{Place, Refresh};
use super::table::{Audience, SessionTable};
use super::visitor::{BY_ITSELF, Visitor, Watcher, WebState};
use crate::http::PRIVATE;
use crate::http::streams::{SELDOM, Stream, UNBUFFERED};

/// Running sessions that one page shows.
const RUNNING: u32 = 100;
/// Past sessions below them.
const PAST: u32 = 8;
/// How long to gather what changes at once.
const GATHER: Duration = Duration::from_millis(120);
/// How long to wait for a change at the most where other replicas' may be told to nobody here.
const LOOK: Duration = Duration::from_secs(2);
/// How long one stream lasts. The script comes again, and is recognized again: whoever has signed out is not told for long.
const LIFE: Duration = Duration::from_secs(60);

/// Whose sessions a page shows, and from which of the running ones on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    whose: Whose,
    after: Option<SessionCursor>,
}

/// What the address of a page of sessions says.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Chosen {
    /// Of whom alone; the form of the page sends nothing for everybody.
    #[serde(default, deserialize_with = "somebody")]
    pub member: Option<MemberName>,
    /// Only those after this one.
    pub after: Option<String>,
}

/// A name that cannot be one is told so: that everybody is shown instead would be missed.
fn somebody<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MemberName>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?.filter(|name| !name.is_empty());
    name.map(|name| MemberName::new(&name).map_err(D::Error::custom)).transpose()
}

impl Scope {
    /// One's own.
    pub const OWN: Self = Self { whose: Whose::Own, after: None };

    /// One's own, from a place in the list on. Whoever changes the address begins again.
    pub fn own(after: Option<&str>) -> Self {
        Self { whose: Whose::Own, after: after.and_then(|text| text.parse().ok()) }
    }

    /// Everybody's, or one member's.
    pub fn chosen(chosen: Chosen) -> Self {
        Self { whose: chosen.member.map_or(Whose::Everybodys, Whose::Of), ..Self::own(chosen.after.as_deref()) }
    }

    /// Whose page it is.
    pub fn audience(&self) -> Audience {
        if self.whose == Whose::Own { Audience::Member } else { Audience::Administrator }
    }

    /// Whose sessions it shows.
    pub const fn whose(&self) -> &Whose {
        &self.whose
    }

    /// The address of the page, with what else it is to know.
    pub fn page(&self, more: &[(&str, &str)]) -> String {
        self.with_query(self.place().path().to_owned(), self.after.as_ref(), more)
    }

    /// The address of what changes of the page.
    pub fn part(&self, name: &str) -> String {
        self.with_query(self.below(name), self.after.as_ref(), &[])
    }

    /// The address of the past sessions, from a place in their list on.
    pub fn past(&self, after: Option<&SessionCursor>) -> String {
        self.with_query(self.below("past"), after, &[])
    }

    /// The address of the running sessions after a place in their list.
    fn running(&self, after: Option<&SessionCursor>) -> String {
        self.with_query(self.place().path().to_owned(), after, &[])
    }

    fn place(&self) -> Place {
        if self.whose == Whose::Own { Place::Sessions } else { Place::Everybodys }
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{name}", if self.whose == Whose::Own { "/sessions" } else { "/admin/sessions" })
    }

    fn with_query(&self, path: String, after: Option<&SessionCursor>, more: &[(&str, &str)]) -> String {
        let member = match &self.whose {
            Whose::Of(member) => Some(("member", member.to_string())),
            Whose::Own | Whose::Everybodys => None,
        };
        let after = after.map(|after| ("after", after.to_string()));
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let query: Vec<_> = member.into_iter().chain(after).chain(more).collect();
        if query.is_empty() {
            return path;
        }
        format!("{path}?{}", serde_urlencoded::to_string(query).unwrap_or_default())
    }

    /// When the page is to be looked at again, where no script does: soon while something is on its way, and seldom enough to read in
    /// peace while a session runs.
    pub fn look_again<'a>(&self, mut cards: impl Iterator<Item = &'a Card> + Clone, other: Option<&str>) -> Option<Refresh> {
        let on_its_way =
            |card: &Card| matches!(card.status, SessionStatus::Pending | SessionStatus::Expiring) || card.extending_to.is_some();
        let seconds = if cards.clone().any(on_its_way) { Some(2) } else { cards.any(|card| card.status.is_live()).then_some(30) };
        let known = other.map(|sealed| ("other", sealed)).into_iter();
        let more: Vec<_> = [(BY_ITSELF, "")].into_iter().chain(known).collect();
        seconds.map(|seconds| Refresh { seconds, url: self.page(&more) })
    }
}

/// What changes of a page.
pub struct Live {
    /// The running sessions.
    pub running: Vec<Card>,
    /// Others' requests that wait for the visitor's answer, where the page has them apart.
    pub asked: Vec<Card>,
    /// What changes, to look at.
    pub markup: Markup,
}

/// What changes of the page of these sessions.
pub async fn live(state: &WebState, visitor: &Visitor, scope: &Scope) -> Result<Live, EngineError> {
    let engine = &state.shared.engine;
    let (now, directory) = (engine.now(), engine.directory());
    let (first, caller) = (scope.after.is_none(), &visitor.caller);
    let running = engine.page(caller, &scope.whose, Listed::Unclosed, scope.after.clone(), RUNNING).await?;
    let (is_all, older) = (first && running.next.is_none(), running.next);
    // What one page has need not be counted.
    let counted = if is_all { None } else { Some(engine.count(caller, &scope.whose, Listed::Unclosed).await?) };
    let past = engine.page(&visitor.caller, &scope.whose, Listed::Past, None, PAST).await?;
    let asked = engine.requests_for(&visitor.caller).await?;
    let to_answer: BTreeSet<_> = asked.iter().map(|view| view.session.id.clone()).collect();
    let cards = |views: &[SessionView]| views.iter().map(|view| Card::new(view, &directory, now)).collect::<Vec<_>>();
    let (running, past_cards) = (cards(&running.sessions), cards(&past.sessions));
    // Among everybody's they are already.
    let asked = if scope.whose == Whose::Own { cards(&asked) } else { Vec::new() };
    let (to_answer, form_token) = (&to_answer, &visitor.form_token);
    let table_for = |audience, caption, cards| SessionTable { caption, cards, audience, to_answer, form_token, now }.render();
    let table = |caption, cards| table_for(scope.audience(), caption, cards);
    let count = counted.unwrap_or(running.len() as u64);
    let markup = html! {
        @if !asked.is_empty() && first {
            section class="card" aria-labelledby="asked" {
                h2 id="asked" { "Waiting for your answer " span class="count" { (asked.len()) } }
                (table_for(Audience::Approver, "Requests that wait for your answer", &asked))
            }
        }
        section class="card" aria-labelledby="running" {
            h2 id="running" { "Running" @if count > 0 { " " span class="count" { (count) } } }
            @if !running.is_empty() { (table("Running sessions", &running)) }
            @else if first { (nothing_runs(scope.audience())) }
            @else { p class="note" { "The older ones have ended meanwhile." } }
            @if !is_all {
                p class="pages" {
                    @if !first { a href=(scope.running(None)) { "Newest" } }
                    @if let Some(older) = &older { a rel="next" href=(scope.running(Some(older))) { "Older" } }
                }
            }
        }
        @if !past_cards.is_empty() && first {
            section class="card past" aria-labelledby="past" {
                h2 id="past" { "Past" }
                (table("Past sessions", &past_cards))
                @if past.next.is_some() { p class="pages" { a href=(scope.past(None)) { "All past sessions" } } }
            }
        }
    };
    Ok(Live { running, asked, markup })
}

fn nothing_runs(audience: Audience) -> Markup {
    html! {
        div class="empty" {
            svg viewBox="0 0 48 48" aria-hidden="true" {
                path d="M24 4l17 6v12.5c0 10.5-7 18.5-17 21.5c-10-3-17-11-17-21.5V10z" {}
                path d="M17 23.5l5 5l9.5-10" {}
            }
            p { strong { "Everything is closed" } }
            @match audience {
                Audience::Member => { p class="note" { "No session is running. Start one, and every resource of your roles opens for your address alone; when its time is over it closes again, by itself." } },
                Audience::Approver | Audience::Administrator => { p class="note" { "Nobody has a running session." } },
            }
        }
    }
}

/// What changes, once.
pub async fn own_table(
    State(state): State<WebState>,
    Watcher(visitor): Watcher,
    InAddress(chosen): InAddress<Chosen>,
) -> Response {
    table_of(&state, &visitor, &Scope::own(chosen.after.as_deref())).await
}

/// What changes, as long as the script listens.
pub async fn own_events(
    State(state): State<WebState>,
    Watcher(visitor): Watcher,
    InAddress(chosen): InAddress<Chosen>,
) -> Response {
    events_of(state, visitor, Scope::own(chosen.after.as_deref()))
}

/// What changes of everybody's, once.
pub async fn everybodys_table(
    State(state): State<WebState>,
    Watcher(visitor): Watcher,
    InAddress(chosen): InAddress<Chosen>,
) -> Response {
    table_of(&state, &visitor, &Scope::chosen(chosen)).await
}

/// What changes of everybody's, as long as the script listens.
pub async fn everybodys_events(
    State(state): State<WebState>,
    Watcher(visitor): Watcher,
    InAddress(chosen): InAddress<Chosen>,
) -> Response {
    if !visitor.caller.is_admin() {
        return (StatusCode::FORBIDDEN, PRIVATE, EngineError::AdministratorsOnly.to_string()).into_response();
    }
    events_of(state, visitor, Scope::chosen(chosen))
}

async fn table_of(state: &WebState, visitor: &Visitor, scope: &Scope) -> Response {
    match state.shared.streams.look(live(state, visitor, scope)).await {
        Ok(live) => (PRIVATE, live.markup).into_response(),
        Err(error @ EngineError::AdministratorsOnly) => (StatusCode::FORBIDDEN, PRIVATE, error.to_string()).into_response(),
        Err(error) => {
            tracing::error!(error = ?error, "a table of sessions could not be shown");
            (StatusCode::SERVICE_UNAVAILABLE, PRIVATE, error.to_string()).into_response()
        }
    }
}

fn events_of(state: WebState, visitor: Visitor, scope: Scope) -> Response {
    let stream = match state.shared.streams.of_member(visitor.caller.name()) {
        Ok(stream) => stream,
        // The script asks now and then instead, and listens again later.
        Err(why) => return (StatusCode::TOO_MANY_REQUESTS, PRIVATE, why.to_string()).into_response(),
    };
    let changes = state.shared.engine.changes();
    let look = if state.shared.engine.hears_every_change() { SELDOM } else { LOOK };
    let watch =
        Watch { state, visitor, scope, changes, look, until: Instant::now() + LIFE, last: String::new(), _stream: stream };
    let events = futures_util::stream::unfold(watch, |mut watch| async move {
        let markup = watch.next().await?;
        Some((Ok::<_, Infallible>(Event::default().event("sessions").data(markup)), watch))
    });
    (PRIVATE, [UNBUFFERED], Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))).into_response()
}

/// Somebody who watches sessions.
struct Watch {
    state: WebState,
    visitor: Visitor,
    scope: Scope,
    changes: tokio::sync::watch::Receiver<u64>,
    look: Duration,
    until: Instant,
    last: String,
    _stream: Stream,
}

impl Watch {
    /// What the page shows next; nothing once the stream has lasted long enough, or they may not see it any more.
    async fn next(&mut self) -> Option<String> {
        while Instant::now() < self.until {
            self.changes.borrow_and_update();
            let caller = &self.visitor.caller;
            self.visitor.caller = self.state.shared.engine.caller(caller.identity(), caller.surface()).ok()?;
            let looking = live(&self.state, &self.visitor, &self.scope);
            let live = self.state.shared.streams.look(looking).await.ok()?;
            // A line of an event ends with either; what providers say may have both.
            let markup = live.markup.into_string().replace('\r', "");
            if markup != self.last {
                self.last.clone_from(&markup);
                return Some(markup);
            }
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.ok()?;
                    tokio::time::sleep(GATHER).await;
                }
                () = tokio::time::sleep(self.look) => {}
            }
        }
        None
    }
}
