//! The demo's pages: the Sessions page for whoever sits at this machine, and a page that the demo's file resource guards.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use entryguard_core::domain::{Addresses, Identity, Span, Surface};
use entryguard_core::engine::{Caller, EngineError, StartRequest, Which};
use entryguard_core::reply::Card;
use http::request::Parts;
use http::{StatusCode, header};
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::page;
use super::sessions::SessionsPage;
use crate::http::client_address::ClientAddress;
use crate::http::{Page, SameOrigin, Shared};

/// The file that guards the demo's page.
#[derive(Clone)]
pub struct GuardFile(pub Arc<PathBuf>);

/// The demo's routes.
pub fn routes(guard: GuardFile) -> Router<Shared> {
    Router::new()
        .route("/", get(sessions))
        .route("/sessions", post(start))
        .route("/sessions/{id}/stop", post(stop))
        .route("/sessions/{id}/extend", post(extend))
        .route("/guarded", get(guarded))
        .layer(Extension(guard))
}

/// Whoever sits at this machine. The connection must come from it, and the page must have been asked for by its own name: a page
/// elsewhere that resolves its name to this machine shows another one.
struct Local(Caller);

impl FromRequestParts<Shared> for Local {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let refused = |why: &'static str| (StatusCode::FORBIDDEN, why).into_response();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !peer.is_some_and(|peer| peer.is_loopback()) || !is_this_machine(host) {
            return Err(refused("The demo serves this machine alone.\n"));
        }
        shared
            .engine
            .caller(&Identity::Local, Surface::Web)
            .map(Self)
            .map_err(|_| refused("The demo has no local administrator.\n"))
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit())).map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn sessions(State(shared): State<Shared>, Local(caller): Local, client: ClientAddress) -> Response {
    show(&shared, &caller, &client, None).await
}

#[derive(Deserialize)]
struct StartForm {
    duration: Option<String>,
}

async fn start(State(shared): State<Shared>, sender: Sender, Form(form): Form<StartForm>) -> Response {
    let started = async {
        let address = sender.client.0.clone().map_err(|doubt| doubt.to_string())?;
        let duration: Option<Span> = form.duration.map(|text| text.parse()).transpose().map_err(|error| format!("{error}"))?;
        let addresses = Addresses::new(&[address]).map_err(|refused| refused.to_string())?;
        let request = StartRequest::seen(duration, addresses);
        shared.engine.start(&sender.caller, request).await.map(drop).map_err(|error| error.to_string())
    };
    sender.see_after(&shared, started).await
}

async fn stop(State(shared): State<Shared>, sender: Sender, Path(id): Path<String>) -> Response {
    let which = Which::Named(id);
    let stopped = async { shared.engine.stop(&sender.caller, &which).await.map(drop).map_err(|error| error.to_string()) };
    sender.see_after(&shared, stopped).await
}

async fn extend(State(shared): State<Shared>, sender: Sender, Path(id): Path<String>) -> Response {
    let which = Which::Named(id);
    let extended =
        async { shared.engine.extend(&sender.caller, &which, None).await.map(drop).map_err(|error| error.to_string()) };
    sender.see_after(&shared, extended).await
}

/// Who sent a form, and from which page.
struct Sender {
    caller: Caller,
    client: ClientAddress,
    origin: SameOrigin,
}

impl FromRequestParts<Shared> for Sender {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let Local(caller) = Local::from_request_parts(parts, shared).await?;
        let origin = SameOrigin::from_request_parts(parts, shared).await?;
        let Ok(client) = ClientAddress::from_request_parts(parts, shared).await;
        Ok(Self { caller, client, origin })
    }
}

impl Sender {
    /// Does what the form asks for, if a page of ours sent it, and shows the page again.
    async fn see_after(&self, shared: &Shared, action: impl Future<Output = Result<(), String>>) -> Response {
        if self.origin == SameOrigin::Unnamed {
            let why = "The form did not say which page sent it, so nothing was done.";
            return show(shared, &self.caller, &self.client, Some(why)).await;
        }
        match action.await {
            Ok(()) => Redirect::to("/").into_response(),
            Err(error) => show(shared, &self.caller, &self.client, Some(&error)).await,
        }
    }
}

async fn show(shared: &Shared, caller: &Caller, client: &ClientAddress, error: Option<&str>) -> Response {
    let views = match shared.engine.list(caller, false).await {
        Ok(views) => views,
        Err(error) => return unavailable(&error),
    };
    let now = shared.engine.now();
    let directory = shared.engine.directory();
    let cards: Vec<_> = views.iter().map(|view| Card::new(view, &directory, now)).collect();
    let markup = SessionsPage {
        cards: &cards,
        durations: &directory.durations_for(caller.name()),
        default_duration: directory.default_duration_for(caller.name()),
        client: &client.0,
        error,
        aside: aside(&shared.server.public_url),
        now,
    }
    .render();
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Page { status, markup }.into_response()
}

fn unavailable(error: &EngineError) -> Response {
    let content = html! { section { h1 { "Not now" } p class="error" { (error) } } };
    Page { status: StatusCode::SERVICE_UNAVAILABLE, markup: page("Not now", None, &content) }.into_response()
}

fn aside(url: &str) -> Markup {
    html! {
        section {
            p { "This demo guards " a href="/guarded" { "a page" } " with an allowlist file. Before a session it answers 403, during one 200. Try it:" }
            pre { code { "curl -i " (url) "/guarded" } }
        }
    }
}

/// The guarded page: it goes by what stands in the allowlist file, as any program would that reads one.
async fn guarded(Extension(guard): Extension<GuardFile>, client: ClientAddress) -> Response {
    let allowed = tokio::fs::read_to_string(guard.0.as_path()).await.unwrap_or_default();
    let is_in = client.0.as_ref().is_ok_and(|address| allowed.lines().any(|line| line.trim() == address.to_string()));
    let (status, title, text) = if is_in {
        (StatusCode::OK, "You are in", "Your address is on the allowlist until your session ends.")
    } else {
        (StatusCode::FORBIDDEN, "Closed", "Your address is not on the allowlist. Start a session on the Sessions page.")
    };
    let content = html! { section { h1 { (title) } p { (text) } p { a href="/" { "Sessions" } } } };
    Page { status, markup: page(title, None, &content) }.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_elses_page_could_have_is_not_this_machine() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["rebound.example.com:8080", "127.0.0.1.example.com", "", "10.0.0.1:8080"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
