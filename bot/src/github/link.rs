//! The pages on which somebody joins their GitHub login: the first shows whose code it is and leads to GitHub, the second, to which
//! GitHub leads back, asks whether both are them.
//!
//! The code stays in a cookie meanwhile, so that neither GitHub nor a log sees it, and the answer counts in one browser alone.

use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::{Identity, Span, Surface};
use entryguard_core::engine::{EngineError, JoinCode, Joining};
use entryguard_core::random::{self, SystemRandom};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::html;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::GithubState;
use super::oauth::{Login, authorize_url, login_of};
use super::sealed::{seal, unseal};
use crate::http::cookies::{self, CookieName};
use crate::http::{Page, SameOrigin};
use crate::web::layout::page;
use crate::web::problem::problem;

const COOKIE: CookieName = CookieName::new("__Host-entryguard-link");
/// How long a person may take at GitHub.
const LIFE: Span = Span::from_minutes(10);

/// What GitHub leads back with.
#[derive(Deserialize)]
pub struct Back {
    state: Option<String>,
    code: Option<String>,
}

/// What the question's form sends along.
#[derive(Deserialize)]
pub struct Answer {
    login: String,
}

/// A browser that is about to join a login: a secret of its own, and the code that it came with.
struct Visit {
    secret: String,
    code: JoinCode,
}

/// Shows whose code it is. Looking changes nothing, so a preview does no harm.
pub async fn begin(State(state): State<GithubState>, Path(code): Path<String>) -> Response {
    let code = JoinCode::typed(&code);
    let (member, from) = match state.shared.engine.whose_join_code(&code).await {
        Ok(owner) => owner,
        Err(error) => return refusal(&error),
    };
    let visit = Visit { secret: hex::encode(random::bytes::<32>(&SystemRandom)), code };
    let url = authorize_url(&state.settings, &state.shared.server.public_url, &visit.state());
    let content = html! {
        section {
            h1 { "Join your GitHub login to " (member) }
            p { "GitHub tells EntryGuard who you are there, and nothing else. Then you are asked once more." }
            p { a class="button primary" href=(url) { "Sign in at GitHub" } }
            p class="note" { "The code was given to " code { (from) } ". If that is not you, close this page." }
        }
    };
    let mut response = Page { status: StatusCode::OK, markup: page("Join your GitHub login", None, &content) }.into_response();
    response.headers_mut().extend(visit.cookie().map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// Takes who GitHub says has signed in, and asks.
pub async fn ask(State(state): State<GithubState>, Query(back): Query<Back>, headers: HeaderMap) -> Response {
    let Some(visit) = Visit::of(&headers).filter(|visit| back.state.as_deref() == Some(visit.state().as_str())) else {
        return elsewhere();
    };
    let Some(code) = &back.code else {
        return problem(
            StatusCode::FORBIDDEN,
            "Nothing was joined",
            "GitHub says that you did not agree. Open the link again if you want to.",
        );
    };
    let login = match login_of(&state.settings, &state.shared.server.public_url, code).await {
        Ok(login) => login,
        Err(error) => {
            tracing::warn!(%error, "GitHub does not say who has signed in");
            let why = "GitHub does not say who you are. Open the link again; if that does not help, ask whoever runs EntryGuard.";
            return problem(StatusCode::BAD_GATEWAY, "Nothing was joined", why);
        }
    };
    match state.shared.engine.look_at_join_code(&Identity::GithubUser(login.id), &visit.code).await {
        Ok(joining) => question(&state, &visit, &login, &joining),
        Err(error) => refusal(&error),
    }
}

/// Joins the login.
pub async fn join(
    State(state): State<GithubState>,
    headers: HeaderMap,
    _origin: SameOrigin,
    Form(answer): Form<Answer>,
) -> Response {
    let Some(visit) = Visit::of(&headers) else { return elsewhere() };
    let now = state.shared.engine.now();
    let Some(login) = unseal(&answer.login, &visit.secret, now, &state.settings.client_secret) else { return elsewhere() };
    match state.shared.engine.join(&Identity::GithubUser(login), Surface::Web, &visit.code).await {
        Ok(joining) => {
            if let Some(teams) = &state.teams
                && let Err(error) = teams.look_at(&joining.identity).await
            {
                tracing::error!(error = ?error, "the teams of a login that was joined could not be noted; the next look does");
            }
            let content = html! {
                section {
                    h1 { "Your GitHub login is joined" }
                    p { code { (joining.identity) } " is " strong { (joining.member) } " from now on. In chat, " code { "unlink " (joining.identity) } " takes that back." }
                    p class="note" { "You can close this page." }
                }
            };
            Page { status: StatusCode::OK, markup: page("Joined", None, &content) }.into_response()
        }
        Err(error) => refusal(&error),
    }
}

fn question(state: &GithubState, visit: &Visit, login: &Login, joining: &Joining) -> Response {
    let sealed = seal(login.id, &visit.secret, state.shared.engine.now(), &state.settings.client_secret);
    let content = html! {
        section {
            h1 { "Are both of them you?" }
            p { "This makes " strong { (login.login) } " of GitHub the member " strong { (joining.member) } ", who got the code as "
                code { (joining.from) } ". Whatever either of them may reach, both may reach then." }
            form method="post" action="/link/github/join" {
                input type="hidden" name="login" value=(sealed);
                button class="primary" type="submit" { "Yes, both are me" }
            }
            p class="note" { "If not, close this page: nothing has changed." }
        }
    };
    Page { status: StatusCode::OK, markup: page("Are both of them you?", None, &content) }.into_response()
}

impl Visit {
    /// What GitHub gives back: it shows that the answer is to this browser's question, and tells nothing.
    fn state(&self) -> String {
        hex::encode(Sha256::digest(format!("entryguard link {}", self.secret)))
    }

    fn cookie(&self) -> Option<HeaderValue> {
        cookies::kept(COOKIE, &format!("{}.{}", self.secret, self.code.expose()), LIFE)
    }

    fn of(headers: &HeaderMap) -> Option<Self> {
        let (secret, code) = cookies::sent(headers, COOKIE)?.split_once('.')?;
        Some(Self { secret: secret.to_owned(), code: JoinCode::typed(code) })
    }
}

fn elsewhere() -> Response {
    let why = "This answer belongs to another browser or to an older visit. Run `link` again, and open its page here.";
    problem(StatusCode::FORBIDDEN, "Nothing was joined", why)
}

fn refusal(error: &EngineError) -> Response {
    if error.is_ours() {
        tracing::error!(error = ?error, "a login could not be joined");
    }
    let status = if error.is_ours() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN };
    problem(status, "Nothing was joined", &error.to_string())
}
