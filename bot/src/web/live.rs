//! What of a page changes by itself: rendered here whenever a session may have changed, and put into the page by the script.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::MemberName;
use entryguard_core::engine::{EngineError, Listed, Page as Part, Whose};
use entryguard_core::reply::Card;
use http::{HeaderName, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use tokio::time::Instant;

use super::table::{Audience, SessionTable};
use super::visitor::{Visitor, WebState};
use crate::http::PRIVATE;

/// Running sessions that one page shows.
const RUNNING: u32 = 100;
/// Past sessions below them.
const PAST: u32 = 8;
/// How long to gather what changes at once.
const GATHER: Duration = Duration::from_millis(120);
/// How long to wait for a change at the most: those of other replicas may be told to nobody here.
const LOOK: Duration = Duration::from_secs(2);
/// How long one stream lasts. The script comes again, and is recognized again: whoever has signed out is not told for long.
const LIFE: Duration = Duration::from_secs(60);
/// So that no proxy holds events back.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// Whose sessions a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    whose: Whose,
}

/// The address of an administrator's page.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Chosen {
    /// Of whom alone.
    member: Option<String>,
}

impl Chosen {
    /// Of whom alone.
    pub fn member(&self) -> Option<&str> {
        self.member.as_deref()
    }
}

impl Scope {
    /// One's own.
    pub const OWN: Self = Self { whose: Whose::Own };

    /// Everybody's, or one member's.
    pub fn chosen(chosen: &Chosen) -> Self {
        let member = chosen.member.as_deref().and_then(|name| MemberName::new(name).ok());
        Self { whose: member.map_or(Whose::Everybodys, Whose::Of) }
    }

    /// Whose page it is.
    pub fn audience(&self) -> Audience {
        if self.whose == Whose::Own { Audience::Member } else { Audience::Administrator }
    }

    /// Whose sessions it shows.
    pub const fn whose(&self) -> &Whose {
        &self.whose
    }

    /// An address below the page's own, for the same sessions.
    pub fn path(&self, below: &str) -> String {
        match &self.whose {
            Whose::Own => format!("/sessions/{below}"),
            Whose::Everybodys => format!("/admin/sessions/{below}"),
            Whose::Of(member) => {
                format!(
                    "/admin/sessions/{below}?{}",
                    serde_urlencoded::to_string([("member", member.as_str())]).unwrap_or_default()
                )
            }
        }
    }
}

/// What changes of a page.
pub struct Live {
    /// The running sessions.
    pub running: Vec<Card>,
    /// What changes, to look at.
    pub markup: Markup,
}

/// What changes of the page of these sessions.
pub async fn live(state: &WebState, visitor: &Visitor, scope: &Scope) -> Result<Live, EngineError> {
    let engine = &state.shared.engine;
    let (now, directory) = (engine.now(), engine.directory());
    let running = engine.page(&visitor.caller, &scope.whose, Listed::Unclosed, None, RUNNING).await?;
    let past = engine.page(&visitor.caller, &scope.whose, Listed::Past, None, PAST).await?;
    let cards = |part: &Part| part.sessions.iter().map(|view| Card::new(view, &directory, now)).collect::<Vec<_>>();
    let (running, past_cards) = (cards(&running), cards(&past));
    let table = |caption, cards| {
        SessionTable { caption, cards, audience: scope.audience(), form_token: &visitor.form_token, now }.render()
    };
    let markup = html! {
        section class="card" aria-labelledby="running" {
            h2 id="running" { "Running" @if !running.is_empty() { " " span class="count" { (running.len()) } } }
            @if running.is_empty() { (nothing_runs(scope.audience())) } @else { (table("Running sessions", &running)) }
        }
        @if !past_cards.is_empty() {
            section class="card past" aria-labelledby="past" {
                h2 id="past" { "Past" }
                (table("Past sessions", &past_cards))
                @if past.next.is_some() { p class="pages" { a href=(scope.path("past")) { "All past sessions" } } }
            }
        }
    };
    Ok(Live { running, markup })
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
                Audience::Administrator => { p class="note" { "Nobody has a running session." } },
            }
        }
    }
}

/// What changes, once.
pub async fn own_table(State(state): State<WebState>, visitor: Visitor) -> Response {
    table_of(&state, &visitor, &Scope::OWN).await
}

/// What changes, as long as the script listens.
pub async fn own_events(State(state): State<WebState>, visitor: Visitor) -> Response {
    events_of(state, visitor, Scope::OWN).into_response()
}

/// What changes of everybody's, once.
pub async fn everybodys_table(State(state): State<WebState>, visitor: Visitor, Query(chosen): Query<Chosen>) -> Response {
    table_of(&state, &visitor, &Scope::chosen(&chosen)).await
}

/// What changes of everybody's, as long as the script listens.
pub async fn everybodys_events(State(state): State<WebState>, visitor: Visitor, Query(chosen): Query<Chosen>) -> Response {
    if !visitor.caller.is_admin() {
        return (StatusCode::FORBIDDEN, PRIVATE, EngineError::AdministratorsOnly.to_string()).into_response();
    }
    events_of(state, visitor, Scope::chosen(&chosen)).into_response()
}

async fn table_of(state: &WebState, visitor: &Visitor, scope: &Scope) -> Response {
    match live(state, visitor, scope).await {
        Ok(live) => (PRIVATE, live.markup).into_response(),
        Err(error @ EngineError::AdministratorsOnly) => (StatusCode::FORBIDDEN, PRIVATE, error.to_string()).into_response(),
        Err(error) => {
            tracing::error!(error = ?error, "a table of sessions could not be shown");
            (StatusCode::SERVICE_UNAVAILABLE, PRIVATE, error.to_string()).into_response()
        }
    }
}

fn events_of(state: WebState, visitor: Visitor, scope: Scope) -> impl IntoResponse {
    let changes = state.shared.engine.changes();
    let watch = Watch { state, visitor, scope, changes, until: Instant::now() + LIFE, last: String::new() };
    let events = futures_util::stream::unfold(watch, |mut watch| async move {
        let markup = watch.next().await?;
        Some((Ok::<_, Infallible>(Event::default().event("sessions").data(markup)), watch))
    });
    (PRIVATE, [UNBUFFERED], Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Somebody who watches sessions.
struct Watch {
    state: WebState,
    visitor: Visitor,
    scope: Scope,
    changes: tokio::sync::watch::Receiver<u64>,
    until: Instant,
    last: String,
}

impl Watch {
    /// What the page shows next; nothing once the stream has lasted long enough, or they may not see it any more.
    async fn next(&mut self) -> Option<String> {
        while Instant::now() < self.until {
            self.changes.borrow_and_update();
            let caller = &self.visitor.caller;
            self.visitor.caller = self.state.shared.engine.caller(caller.identity(), caller.surface()).ok()?;
            let live = live(&self.state, &self.visitor, &self.scope).await.ok()?;
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
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        None
    }
}
