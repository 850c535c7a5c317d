//! A session as it changes, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use entryguard_core::engine::Caller;
use entryguard_core::store::SessionView;
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::ApiState;
use super::asked::Named;
use super::auth::{Granted, ToSee};
use super::body::SessionBody;
use super::problem::Problem;
use super::refusals::OfOne;
use super::sessions::shown;
use super::waiting::{Changes, is_over};
use crate::http::streams::{Stream, UNBUFFERED};

/// How long one stream lasts. Whoever comes again, as browsers do by themselves, is asked again who they are, and counted again.
const LIFE: Duration = Duration::from_secs(60);

/// Tells of a session: an event `session` with the whole of it now, and for each change, until it is over and closed.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/events", tag = "sessions", operation_id = "followSession",
    params(("id" = String, Path, description = "The session's id, or its beginning")),
    responses((status = 200, description = "Server-sent events, each as the schema says, until the session is over and closed, and for a minute at the most: \
        come again for more, as browsers do by themselves",
        body = SessionEvent, content_type = "text/event-stream"), OfOne)
)]
pub async fn follow(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToSee>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let stream = state.shared.streams.of_member(caller.name())?;
    let changes = Changes::of(&state.shared.engine);
    let view = state.shared.engine.look_again(&caller, &id).await?;
    let (id, until) = (view.session.id.to_string(), Instant::now() + LIFE);
    let following = Following { state, caller, id, changes, first: Some(view), told: None, over: false, until, _stream: stream };
    let events = unfold(following, |mut following| async move {
        following.next().await.map(|event| (Ok::<_, Infallible>(Event::from(event)), following))
    });
    Ok(([UNBUFFERED], Sse::new(events).keep_alive(KeepAlive::default())).into_response())
}

/// One event of the stream.
#[derive(ToSchema)]
pub struct SessionEvent {
    /// `session`, or at the end, where the caller may see it no more, `problem`.
    #[schema(value_type = String, examples("session"))]
    event: &'static str,
    /// The whole session, or the problem, as JSON.
    data: String,
}

impl SessionEvent {
    fn of(event: &'static str, about: &impl Serialize) -> Option<Self> {
        Some(Self { event, data: serde_json::to_string(about).ok()? })
    }
}

impl From<SessionEvent> for Event {
    fn from(SessionEvent { event, data }: SessionEvent) -> Self {
        Self::default().event(event).data(data)
    }
}

struct Following {
    state: ApiState,
    caller: Caller,
    id: String,
    changes: Changes,
    first: Option<SessionView>,
    told: Option<SessionBody>,
    over: bool,
    until: Instant,
    _stream: Stream,
}

impl Following {
    /// The next event; nothing where there will be none.
    async fn next(&mut self) -> Option<SessionEvent> {
        while !self.over && Instant::now() < self.until {
            let view = match self.first.take() {
                Some(view) => view,
                None => {
                    self.changes.next().await;
                    let looking = self.state.shared.engine.look_again(&self.caller, &self.id);
                    match self.state.shared.streams.look(looking).await {
                        Ok(view) => view,
                        // The database is away: it may be back soon.
                        Err(error) if error.is_ours() => continue,
                        Err(error) => {
                            self.over = true;
                            return SessionEvent::of("problem", &Problem::from(error).into_body());
                        }
                    }
                }
            };
            self.over = is_over(&view);
            let body = shown(&self.state, &view);
            if self.told.as_ref() != Some(&body) {
                let event = SessionEvent::of("session", &body);
                self.told = Some(body);
                return event;
            }
        }
        None
    }
}
