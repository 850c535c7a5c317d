//! Everybody's sessions.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::{Directory, MemberName};
use http::StatusCode;
use maud::{Markup, html};

use super::heading;
use crate::http::{LivePage, Page};
use crate::web::asked::InAddress;
use crate::web::layout::{Place, Shell};
use crate::web::live::{self, Chosen, Scope};
use crate::web::past;
use crate::web::problem::refusal_page;
use crate::web::sessions::live_part;
use crate::web::visitor::{Visitor, WebState};

/// Everybody's sessions, or one member's.
pub async fn everybodys(State(state): State<WebState>, visitor: Visitor, InAddress(chosen): InAddress<Chosen>) -> Response {
    let member = chosen.member.clone();
    let scope = Scope::chosen(chosen);
    let live = match live::live(&state, &visitor, &scope).await {
        Ok(live) => live,
        Err(error) => return refusal_page(&visitor, Place::Everybodys, "Not now", &error),
    };
    let content = html! {
        (heading("Everybody’s sessions", "Who is in, from where, and until when. Stopping one closes it at once."))
        (members(&state.shared.engine.directory(), member.as_ref()))
        div id="error" {}
        (live_part(&state, &scope, &live))
    };
    let refresh = scope.look_again(live.running.iter(), None);
    let markup = Shell { title: "Everybody’s sessions", place: Place::Everybodys, visitor: &visitor, refresh }.around(&content);
    LivePage { page: Page { status: StatusCode::OK, markup }, asks: Vec::new() }.into_response()
}

/// The past ones.
pub async fn past(State(state): State<WebState>, visitor: Visitor, InAddress(chosen): InAddress<Chosen>) -> Response {
    let after = chosen.after.clone();
    past::shown(&state, &visitor, &Scope::chosen(chosen), Place::Everybodys, after.as_deref()).await
}

fn members(directory: &Directory, chosen: Option<&MemberName>) -> Markup {
    html! {
        form method="get" action=(Place::Everybodys.path()) class="filters" {
            div class="field" {
                label for="member" { "Member" }
                select id="member" name="member" {
                    option value="" { "Everybody" }
                    @for name in directory.members.keys() {
                        option value=(name) selected[chosen == Some(name)] { (name) }
                    }
                    // Whoever has left may have sessions all the same.
                    @if let Some(name) = chosen.filter(|name| !directory.members.contains_key(*name)) {
                        option value=(name) selected { (name) " (no member)" }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}
