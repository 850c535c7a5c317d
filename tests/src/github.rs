//! A double of GitHub: people sign in to an app, and the app learns who they are; each thing that GitHub would not have accepted is noted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, Request, State as Given};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
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
    comments: BTreeMap<u64, Comment>,
    checks: Vec<Value>,
    mood: Mood,
    // Logins by their users' ids, and who is in the one team.
    logins: BTreeMap<u64, String>,
    team: BTreeSet<String>,
    violations: Vec<String>,
}

#[derive(Debug)]
struct Comment {
    body: String,
    edits: u32,
    author: u64,
}

/// How it answers.
#[derive(Debug, Default, Clone, Copy)]
enum Mood {
    #[default]
    Good,
    /// 503 to everything.
    Away,
    /// Nothing at all.
    Silent,
}

/// Whom a job's own token makes comments as: a bot.
const BOT: u64 = 41_898_282;
/// Whose the personal token is.
const PERSON: u64 = 1_001;
/// Somebody else.
const STRANGER: u64 = 1_002;

impl GithubDouble {
    /// The app.
    pub const CLIENT_ID: &'static str = "Iv1.entryguardtests";
    /// What the app shows.
    pub const CLIENT_SECRET: &'static str = "github-client-secret-of-the-tests";

    /// What the server shows.
    pub const TOKEN: &'static str = "github-token-of-the-tests";
    /// What a job shows.
    pub const JOB_TOKEN: &'static str = "ghs_token_of_the_job";
    /// What a job shows to which somebody has given their own.
    pub const PERSONAL_TOKEN: &'static str = "ghp_token_of_a_person";

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
            .route("/repos/{owner}/{name}/check-runs/{id}", patch(edit_check))
            .layer(from_fn_with_state(Arc::clone(&shared), in_its_mood))
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

    /// It answers 503 from now on.
    pub fn go_away(&self) {
        self.shared.state().mood = Mood::Away;
    }

    /// It answers nothing from now on.
    pub fn fall_silent(&self) {
        self.shared.state().mood = Mood::Silent;
    }

    /// Where its API is.
    pub fn api_url(&self) -> String {
        self.listener.address.clone()
    }

    /// The comments on the pull request, oldest first: what they say, and how often they were edited.
    pub fn comments(&self) -> Vec<(String, u32)> {
        self.shared.state().comments.values().map(|comment| (comment.body.clone(), comment.edits)).collect()
    }

    /// Somebody else comments.
    pub fn comment(&self, body: &str) {
        self.shared.state().write(body, STRANGER);
    }

    /// The checks that were made, as they say it now.
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
    fn write(&mut self, body: &str, author: u64) -> Value {
        self.issued += 1;
        self.comments.insert(self.issued, Comment { body: body.to_owned(), edits: 0, author });
        self.shown(self.issued)
    }

    fn shown(&self, id: u64) -> Value {
        let comment = &self.comments[&id];
        let kind = if comment.author == BOT { "Bot" } else { "User" };
        json!({ "id": id, "body": comment.body, "user": { "id": comment.author, "login": "x", "type": kind } })
    }

    fn secret(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{kind}-{}", self.issued)
    }
}

type Double = Given<Arc<Shared>>;

/// Answers as it is told to.
async fn in_its_mood(Given(shared): Double, request: Request, next: Next) -> Response {
    let mood = shared.state().mood;
    match mood {
        Mood::Good => next.run(request).await,
        Mood::Away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Silent => std::future::pending().await,
    }
}

/// Whose a job's token is.
fn job_of(headers: &HeaderMap) -> Result<u64, StatusCode> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match given.strip_prefix("Bearer ") {
        Some(GithubDouble::JOB_TOKEN) => Ok(BOT),
        Some(GithubDouble::PERSONAL_TOKEN) => Ok(PERSON),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
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
    job_of(&headers)?;
    let state = shared.state();
    Ok(Json(state.comments.keys().map(|id| state.shown(*id)).collect()))
}

async fn comment(Given(shared): Double, headers: HeaderMap, Json(sent): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let author = job_of(&headers)?;
    Ok(Json(shared.state().write(sent["body"].as_str().unwrap_or_default(), author)))
}

async fn edit(
    Given(shared): Double,
    headers: HeaderMap,
    Path((_, _, id)): Path<(String, String, u64)>,
    Json(sent): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    job_of(&headers)?;
    let mut state = shared.state();
    let comment = state.comments.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    sent["body"].as_str().unwrap_or_default().clone_into(&mut comment.body);
    comment.edits += 1;
    Ok(Json(state.shown(id)))
}

async fn delete(Given(shared): Double, Path((_, _, id)): Path<(String, String, u64)>) -> StatusCode {
    shared.state().comments.remove(&id);
    StatusCode::NO_CONTENT
}

async fn check(Given(shared): Double, headers: HeaderMap, Json(sent): Json<Value>) -> Result<Json<Value>, StatusCode> {
    job_of(&headers)?;
    let mut state = shared.state();
    state.checks.push(sent);
    Ok(Json(json!({ "id": state.checks.len() })))
}

async fn edit_check(
    Given(shared): Double,
    headers: HeaderMap,
    Path((_, _, id)): Path<(String, String, usize)>,
    Json(sent): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    job_of(&headers)?;
    let mut state = shared.state();
    let check = id.checked_sub(1).and_then(|place| state.checks.get_mut(place)).ok_or(StatusCode::NOT_FOUND)?;
    for (name, value) in sent.as_object().into_iter().flatten() {
        check[name] = value.clone();
    }
    Ok(Json(json!({ "id": id })))
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

async fn user(Given(shared): Given<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let refused = |status, message| (status, Json(json!({ "message": message })));
    match job_of(&headers) {
        Ok(BOT) => return Err(refused(StatusCode::FORBIDDEN, "Resource not accessible by integration")),
        Ok(person) => return Ok(Json(json!({ "id": person, "login": "deployer", "type": "User" }))),
        Err(_) => {}
    }
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.strip_prefix("Bearer ").or_else(|| given.strip_prefix("token ")).unwrap_or_default();
    let (id, login) =
        shared.state().tokens.get(token).cloned().ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "Bad credentials"))?;
    Ok(Json(json!({ "id": id, "login": login, "type": "User" })))
}
