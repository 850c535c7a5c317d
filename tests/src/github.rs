//! A double of GitHub: people sign in to an app, and the app learns who they are; each thing that GitHub would not have accepted is noted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State as Given};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::loopback::Listener;

/// GitHub, with one app.
#[derive(Debug)]
pub struct GithubDouble {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    // Who sits at the browser; nobody where they press Cancel.
    signed_in: Option<(u64, String)>,
    codes: BTreeMap<String, (u64, String)>,
    tokens: BTreeMap<String, (u64, String)>,
    issued: u64,
    // What each comment says, by its id, and how often it was edited.
    comments: BTreeMap<u64, (String, u32)>,
    checks: Vec<Value>,
    // Logins by their users' ids, and who is in the one team.
    logins: BTreeMap<u64, String>,
    team: BTreeSet<String>,
    violations: Vec<String>,
}

impl GithubDouble {
    /// The app.
    pub const CLIENT_ID: &'static str = "Iv1.entryguardtests";
    /// What the app shows.
    pub const CLIENT_SECRET: &'static str = "github-client-secret-of-the-tests";

    /// What the server shows.
    pub const TOKEN: &'static str = "github-token-of-the-tests";
    /// What a job shows.
    pub const JOB_TOKEN: &'static str = "ghs_token_of_the_job";

    /// Opens.
    pub async fn open() -> Self {
        let shared = Arc::<Shared>::default();
        let router = Router::new()
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(exchange))
            .route("/user", get(user))
            .route("/user/{id}", get(user_of))
            .route("/orgs/{organization}/teams/{team}/memberships/{login}", get(membership))
            .route("/repos/{owner}/{name}/issues/{number}/comments", get(comments).post(comment))
            .route("/repos/{owner}/{name}/issues/comments/{id}", patch(edit).delete(delete))
            .route("/repos/{owner}/{name}/check-runs", post(check))
            .with_state(Arc::clone(&shared));
        Self { listener: Listener::serve(router).await, shared }
    }

    /// The app's table in the configuration.
    pub fn toml(&self) -> String {
        let url = &self.listener.address;
        format!(
            "[github]\nclient_id = \"{}\"\nclient_secret = {{ env = \"GITHUB_CLIENT_SECRET\" }}\nlogin_url = \"{url}\"\ntoken = {{ env = \"GITHUB_TOKEN_OF_THE_SERVER\" }}\napi_url = \"{url}\"\n",
            Self::CLIENT_ID
        )
    }

    /// Whoever comes next is this user, and agrees.
    pub fn sign_in(&self, id: u64, login: &str) {
        self.shared.state().signed_in = Some((id, login.to_owned()));
    }

    /// Somebody is in the team `acme/on-call`.
    pub fn put_into_team(&self, id: u64, login: &str) {
        let mut state = self.shared.state();
        state.logins.insert(id, login.to_owned());
        state.team.insert(login.to_owned());
    }

    /// They are not any more.
    pub fn take_from_team(&self, login: &str) {
        self.shared.state().team.remove(login);
    }

    /// Where its API is.
    pub fn api_url(&self) -> String {
        self.listener.address.clone()
    }

    /// The comments on the pull request, oldest first: what they say, and how often they were edited.
    pub fn comments(&self) -> Vec<(String, u32)> {
        self.shared.state().comments.values().cloned().collect()
    }

    /// Somebody else comments.
    pub fn comment(&self, body: &str) {
        let mut state = self.shared.state();
        state.issued += 1;
        let id = state.issued;
        state.comments.insert(id, (format!("{PERSON}{body}"), 0));
    }

    /// The checks that were made.
    pub fn checks(&self) -> Vec<Value> {
        self.shared.state().checks.clone()
    }

    /// What the app did that GitHub would not have accepted.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn secret(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{kind}-{}", self.issued)
    }
}

/// What stands before a comment that no bot wrote.
const PERSON: &str = "by a person: ";

type Double = Given<Arc<Shared>>;

/// What the job's own token may do.
fn is_the_jobs(headers: &HeaderMap) -> Result<(), StatusCode> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(&format!("Bearer {}", GithubDouble::JOB_TOKEN)) { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) }
}

fn shown(id: u64, body: &str) -> Value {
    let kind = if body.starts_with(PERSON) { "User" } else { "Bot" };
    json!({ "id": id, "body": body.strip_prefix(PERSON).unwrap_or(body), "user": { "login": "x", "type": kind } })
}

/// What the server's own token may do.
fn is_the_servers(headers: &HeaderMap) -> Result<(), StatusCode> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(&format!("Bearer {}", GithubDouble::TOKEN)) { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) }
}

async fn user_of(Given(shared): Double, headers: HeaderMap, Path(id): Path<u64>) -> Result<Json<Value>, StatusCode> {
    is_the_servers(&headers)?;
    let login = shared.state().logins.get(&id).cloned().unwrap_or_else(|| format!("user-{id}"));
    Ok(Json(json!({ "id": id, "login": login })))
}

async fn membership(
    Given(shared): Double,
    headers: HeaderMap,
    Path((organization, team, login)): Path<(String, String, String)>,
) -> Response {
    if let Err(refused) = is_the_servers(&headers) {
        return refused.into_response();
    }
    let is_in = (organization.as_str(), team.as_str()) == ("acme", "on-call") && shared.state().team.contains(&login);
    match is_in {
        true => Json(json!({ "state": "active", "role": "member" })).into_response(),
        false => (StatusCode::NOT_FOUND, Json(json!({ "message": "Not Found" }))).into_response(),
    }
}

async fn comments(Given(shared): Double, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    is_the_jobs(&headers)?;
    Ok(Json(shared.state().comments.iter().map(|(id, (body, _))| shown(*id, body)).collect()))
}

async fn comment(Given(shared): Double, headers: HeaderMap, Json(sent): Json<Value>) -> Result<Json<Value>, StatusCode> {
    is_the_jobs(&headers)?;
    let mut state = shared.state();
    state.issued += 1;
    let (id, body) = (state.issued, sent["body"].as_str().unwrap_or_default().to_owned());
    state.comments.insert(id, (body.clone(), 0));
    Ok(Json(shown(id, &body)))
}

async fn edit(
    Given(shared): Double,
    headers: HeaderMap,
    Path((_, _, id)): Path<(String, String, u64)>,
    Json(sent): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    is_the_jobs(&headers)?;
    let mut state = shared.state();
    let (body, edits) = state.comments.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    sent["body"].as_str().unwrap_or_default().clone_into(body);
    *edits += 1;
    Ok(Json(shown(id, body)))
}

async fn delete(Given(shared): Double, Path((_, _, id)): Path<(String, String, u64)>) -> StatusCode {
    shared.state().comments.remove(&id);
    StatusCode::NO_CONTENT
}

async fn check(Given(shared): Double, headers: HeaderMap, Json(sent): Json<Value>) -> Result<Json<Value>, StatusCode> {
    is_the_jobs(&headers)?;
    shared.state().checks.push(sent);
    Ok(Json(json!({ "id": 1 })))
}

type Fields = BTreeMap<String, String>;

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

async fn authorize(Given(shared): Given<Arc<Shared>>, Query(query): Query<Fields>) -> Response {
    let mut state = shared.state();
    if field(&query, "client_id") != GithubDouble::CLIENT_ID || !field(&query, "scope").is_empty() {
        state.violations.push(format!("another app, or more than a login is asked for: {query:?}"));
    }
    let answer = match state.signed_in.clone() {
        Some(user) => {
            let code = state.secret("code");
            state.codes.insert(code.clone(), user);
            format!("code={code}")
        }
        None => "error=access_denied".to_owned(),
    };
    Redirect::to(&format!("{}?{answer}&state={}", field(&query, "redirect_uri"), field(&query, "state"))).into_response()
}

async fn exchange(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    let mut state = shared.state();
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let fields: Fields = if is_json { serde_json::from_slice(&body).unwrap_or_default() } else { form(&body) };
    if headers.get(header::ACCEPT).is_none_or(|accept| accept != "application/json") {
        state
            .violations
            .push("a token is asked for without Accept: application/json, which GitHub answers with a form".to_owned());
    }
    let secret = (field(&fields, "client_id"), field(&fields, "client_secret"));
    let known =
        state.codes.remove(field(&fields, "code")).filter(|_| secret == (GithubDouble::CLIENT_ID, GithubDouble::CLIENT_SECRET));
    let Some(user) = known else {
        return Json(json!({ "error": "bad_verification_code", "error_description": "The code is incorrect or expired." }))
            .into_response();
    };
    let token = state.secret("ghu");
    state.tokens.insert(token.clone(), user);
    Json(json!({ "access_token": token, "token_type": "bearer", "scope": "" })).into_response()
}

fn form(body: &[u8]) -> Fields {
    let pairs = reqwest::Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(body))).expect("a form");
    pairs.query_pairs().into_owned().collect()
}

async fn user(Given(shared): Given<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.strip_prefix("Bearer ").or_else(|| given.strip_prefix("token ")).unwrap_or_default();
    let (id, login) = shared.state().tokens.get(token).cloned().ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(json!({ "id": id, "login": login, "type": "User" })))
}
