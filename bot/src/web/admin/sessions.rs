//! Everybody's sessions.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::Directory;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::heading;
use crate::http::{LivePage, Page};
use crate::web::layout::{Place, Shell};
use crate::web::live::{self, Chosen, Scope};
use crate::web::problem::refusal_page;
use crate::web::sessions::{live_part, look_again, past_page};
use crate::web::visitor::{Visitor, WebState};

/// Everybody's sessions, or one member's.
pub async fn everybodys(State(state): State<WebState>, visitor: Visitor, Query(chosen): Query<Chosen>) -> Response {
    let scope = Scope::chosen(&chosen);
    let live = match live::live(&state, &visitor, &scope).await {
        Ok(live) => live,
        Err(error) => return refusal_page(&visitor, Place::Everybodys, "Not now", &error),
    };
    let content = html! {
        (heading("Everybody’s sessions", "Who is in, from where, and until when. Stopping one closes it at once."))
        (members(&state.shared.engine.directory(), &chosen))
        div id="error" {}
        (live_part(&state, &scope, &live))
    };
    let refresh = look_again(&live.running);
    let markup = Shell { title: "Everybody’s sessions", place: Place::Everybodys, visitor: &visitor, refresh }.around(&content);
    LivePage { page: Page { status: StatusCode::OK, markup }, asks: Vec::new() }.into_response()
}

#[derive(Deserialize)]
pub struct PastAsked {
    after: Option<String>,
    #[serde(flatten)]
    chosen: Chosen,
}

/// The past ones.
pub async fn past(State(state): State<WebState>, visitor: Visitor, Query(asked): Query<PastAsked>) -> Response {
    past_page(&state, &visitor, &Scope::chosen(&asked.chosen), Place::Everybodys, asked.after.as_deref()).await
}

fn members(directory: &Directory, chosen: &Chosen) -> Markup {
    html! {
        form method="get" action=(Place::Everybodys.path()) class="filters" {
            div class="field" {
                label for="member" { "Member" }
                select id="member" name="member" {
                    option value="" { "Everybody" }
                    @for name in directory.members.keys() {
                        option value=(name) selected[chosen.member() == Some(name.as_str())] { (name) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}
