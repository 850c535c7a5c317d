//! A session as it changes, as server-sent events.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use entryguard_core::engine::Caller;
use entryguard_core::store::SessionView;
use futures_util::stream::unfold;

use super::ApiState;
use super::asked::Named;
use super::auth::{Granted, ToSee};
use super::body::SessionBody;
use super::problem::Problem;
use super::refusals::OfOne;
use super::sessions::shown;
use super::waiting::{Changes, is_over};

/// Tells of a session: an event `session` with the whole of it now, and for each change, until it is over and closed.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/events", tag = "sessions", operation_id = "followSession",
    params(("id" = String, Path, description = "The session's id, or its beginning")),
    responses((status = 200, description = "Server-sent events: `session` with the whole session as JSON, and at the end, where the caller may \
        see it no more, `problem`", body = String, content_type = "text/event-stream"), OfOne)
)]
pub async fn follow(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToSee>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let changes = Changes::of(&state.shared.engine);
    let view = state.shared.engine.look_again(&caller, &id).await?;
    let following =
        Following { state, caller, id: view.session.id.to_string(), changes, first: Some(view), told: None, over: false };
    let events =
        unfold(
            following,
            |mut following| async move { following.next().await.map(|event| (Ok::<_, Infallible>(event), following)) },
        );
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

struct Following {
    state: ApiState,
    caller: Caller,
    id: String,
    changes: Changes,
    first: Option<SessionView>,
    told: Option<SessionBody>,
    over: bool,
}

impl Following {
    /// The next event; nothing where there will be none.
    async fn next(&mut self) -> Option<Event> {
        while !self.over {
            let view = match self.first.take() {
                Some(view) => view,
                None => {
                    self.changes.next().await;
                    match self.state.shared.engine.look_again(&self.caller, &self.id).await {
                        Ok(view) => view,
                        // The database is away: it may be back soon.
                        Err(error) if error.is_ours() => continue,
                        Err(error) => {
                            self.over = true;
                            return Event::default().event("problem").json_data(Problem::from(error).into_body()).ok();
                        }
                    }
                }
            };
            self.over = is_over(&view);
            let body = shown(&self.state, &view);
            if self.told.as_ref() != Some(&body) {
                let event = Event::default().event("session").json_data(&body).ok();
                self.told = Some(body);
                return event;
            }
        }
        None
    }
}
