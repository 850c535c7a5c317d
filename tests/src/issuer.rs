//! A double of an OpenID Connect issuer, be it of people or of GitHub's workflows: a discovery document, its keys, and tokens with
//! anything at all in them.

mod people;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Query, State as Given};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::clock::unix_seconds;
use crate::loopback::Listener;
use crate::unique::unique;

pub use people::Forged;
use people::People;

/// What a job shows that asks for a token.
const JOB: &str = "request-token-of-the-job";

/// An issuer with a key, which can be exchanged for another.
#[derive(Debug)]
pub struct Issuer {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    url: Mutex<String>,
    published: Mutex<Vec<Key>>,
    fetched: Mutex<u32>,
    asked: Mutex<u32>,
    away: Mutex<bool>,
    silent: Mutex<bool>,
    // What the tokens of jobs claim besides.
    more: Mutex<Value>,
    people: People,
}

/// What deliveries of GitHub's webhook are signed with.
pub const WEBHOOK_SECRET: &str = "webhook-secret-of-the-tests";

/// How GitHub signs a delivery.
pub fn github_signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// One of the keys in `tests/github`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The one that signs at first.
    First,
    /// The one that it is exchanged for.
    Second,
}

impl Key {
    fn private(self) -> EncodingKey {
        EncodingKey::from_rsa_der(match self {
            Self::First => include_bytes!("../github/first.der"),
            Self::Second => include_bytes!("../github/second.der"),
        })
    }

    /// The public part.
    pub fn public(self) -> Value {
        let text = match self {
            Self::First => include_str!("../github/first.jwk.json"),
            Self::Second => include_str!("../github/second.jwk.json"),
        };
        serde_json::from_str(text).unwrap()
    }

    fn id(self) -> String {
        self.public()["kid"].as_str().unwrap().to_owned()
    }
}

impl Issuer {
    /// Opens, with the first key published.
    pub async fn open() -> Self {
        let shared = Arc::new(Shared {
            url: Mutex::default(),
            published: Mutex::new(vec![Key::First]),
            fetched: Mutex::default(),
            asked: Mutex::default(),
            away: Mutex::default(),
            silent: Mutex::default(),
            more: Mutex::default(),
            people: People::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/.well-known/jwks", get(keys))
            .route("/token", get(token))
            .merge(people::routes())
            .with_state(Arc::clone(&shared));
        let listener = Listener::serve(router).await;
        listener.address.clone_into(&mut lock(&shared.url));
        Self { listener, shared }
    }

    /// The value of `oidc_issuer`.
    pub fn url(&self) -> String {
        self.listener.address.clone()
    }

    /// What a job has in its environment to ask for tokens, where its permissions let it.
    pub fn for_a_job(&self) -> [(&'static str, String); 2] {
        let url = format!("{}/token?api-version=2.0", self.url());
        [("ACTIONS_ID_TOKEN_REQUEST_URL", url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", JOB.to_owned())]
    }

    /// The tokens that jobs ask for claim this, too.
    pub fn claim_for_jobs(&self, more: Value) {
        *lock(&self.shared.more) = more;
    }

    /// Publishes these keys, and no others.
    pub fn publish(&self, keys: &[Key]) {
        *lock(&self.shared.published) = keys.to_vec();
    }

    /// Is away from now on, or is there again.
    pub fn set_away(&self, away: bool) {
        *lock(&self.shared.away) = away;
    }

    /// Answers nothing to whoever asks for its keys from now on.
    pub fn fall_silent(&self) {
        *lock(&self.shared.silent) = true;
    }

    /// How often somebody has begun to ask for its keys.
    pub fn asked(&self) -> u32 {
        *lock(&self.shared.asked)
    }

    /// How often its keys were fetched.
    pub fn fetched(&self) -> u32 {
        *lock(&self.shared.fetched)
    }

    /// What a token of a workflow of `acme/api` claims, for this audience; `other` replaces claims, and null takes one away.
    pub fn claims(&self, audience: &str, other: &Value) -> Value {
        claims(&self.url(), audience, other)
    }

    /// A token that is right.
    pub fn token(&self, audience: &str) -> String {
        self.token_with(audience, &Value::Null)
    }

    /// A token whose claims differ.
    pub fn token_with(&self, audience: &str, other: &Value) -> String {
        self.sign(&self.claims(audience, other), Key::First)
    }

    /// Signs claims with a key.
    pub fn sign(&self, claims: &Value, key: Key) -> String {
        self.sign_as(claims, key, &key.id())
    }

    /// Signs claims with a key, and says that it is another's.
    pub fn sign_as(&self, claims: &Value, key: Key, kid: &str) -> String {
        sign_as(claims, key, kid)
    }

    /// Signs with HMAC, with the public key for a secret: what a verifier takes that believes the token's own header.
    pub fn sign_with_public_key(&self, claims: &Value) -> String {
        with_public_key(claims)
    }

    /// A token without any signature, `alg: none`.
    pub fn unsigned(&self, claims: &Value) -> String {
        unsigned(claims)
    }
}

fn with_public_key(claims: &Value) -> String {
    let header = Header { kid: Some(Key::First.id()), ..Header::new(Algorithm::HS256) };
    let modulus = Key::First.public()["n"].as_str().unwrap().to_owned();
    encode(&header, claims, &EncodingKey::from_secret(modulus.as_bytes())).unwrap()
}

fn unsigned(claims: &Value) -> String {
    let [header, claims] = [json!({ "alg": "none", "typ": "JWT", "kid": Key::First.id() }), claims.clone()]
        .map(|part| base64url(part.to_string().as_bytes()));
    format!("{header}.{claims}.")
}

/// What a token of a workflow of `acme/api` claims.
fn claims(issuer: &str, audience: &str, other: &Value) -> Value {
    let now = unix_seconds();
    let claims = json!({
        "iss": issuer, "aud": audience, "iat": now, "nbf": now - 5, "exp": now + 300, "jti": unique("jti"),
        "sub": "repo:acme/api:ref:refs/heads/main", "repository": "acme/api", "repository_id": "42",
        "repository_owner": "acme", "repository_owner_id": "7", "ref": "refs/heads/main", "event_name": "push",
        "actor": "ana", "actor_id": "583231", "run_id": "1001", "run_attempt": "1", "runner_environment": "github-hosted",
    });
    with(claims, other)
}

/// Claims of which some are others; null takes one away.
fn with(mut claims: Value, other: &Value) -> Value {
    for (name, value) in other.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn sign_as(claims: &Value, key: Key, kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
    encode(&header, claims, &key.private()).unwrap()
}

async fn token(
    Given(shared): Given<Arc<Shared>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {JOB}")) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let audience = query.get("audience").map_or("", String::as_str);
    let claims = claims(&lock(&shared.url), audience, &lock(&shared.more));
    Ok(Json(json!({ "value": sign_as(&claims, Key::First, &Key::First.id()) })))
}

async fn discovery(Given(shared): Given<Arc<Shared>>) -> Result<Json<Value>, StatusCode> {
    *lock(&shared.asked) += 1;
    let silent = *lock(&shared.silent);
    if silent {
        std::future::pending::<()>().await;
    }
    if *lock(&shared.away) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let url = lock(&shared.url).clone();
    Ok(Json(json!({
        "issuer": url, "jwks_uri": format!("{url}/.well-known/jwks"), "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/oauth/token"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
    })))
}

async fn keys(Given(shared): Given<Arc<Shared>>) -> Json<Value> {
    *lock(&shared.fetched) += 1;
    let keys: Vec<_> = lock(&shared.published).iter().map(|key| key.public()).collect();
    Json(json!({ "keys": keys }))
}
