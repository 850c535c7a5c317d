//! Signing out: here, or everywhere.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;

use super::sign_in::{SIGNED_IN, refusal, set};
use super::visitor::{FormToken, Sent, WebState};
use crate::http::cookies;

/// The route.
pub fn routes() -> Router<WebState> {
    Router::new().route("/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct SignOut {
    everywhere: Option<String>,
}

/// The form, for every page of somebody who is signed in.
pub fn form(form_token: &FormToken) -> Markup {
    html! {
        form class="inline" method="post" action="/sign-out" {
            (form_token.field())
            button type="submit" class="plain-link" { "Sign out" } " "
            button type="submit" class="plain-link" name="everywhere" value="yes" { "Sign out everywhere" }
        }
    }
}

async fn sign_out(State(state): State<WebState>, sent: Sent<SignOut>) -> Response {
    let engine = &state.shared.engine;
    let done = match (&sent.visitor.browser, sent.form.everywhere) {
        // The demo's administrator is whoever sits there: there is nothing to sign out of.
        (None, _) => Ok(()),
        (Some(_), Some(_)) => engine.sign_out_everywhere(&sent.visitor.caller).await.map(drop),
        (Some(browser), None) => engine.sign_out(&sent.visitor.caller, browser).await,
    };
    if let Err(error) = done {
        return refusal(&error);
    }
    let mut response = Redirect::to("/").into_response();
    set(&mut response, cookies::dropped(SIGNED_IN));
    response
}
