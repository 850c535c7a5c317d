//! People who sign in at the issuer: the authorization code flow, with whatever in its token. What an issuer would not have accepted is noted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State as Given};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Issuer, Key, Shared, lock, sign_as, unsigned, with, with_public_key};
use crate::clock::unix_seconds;
use crate::unique::unique;

/// Who sits at the browser, and what became of their codes.
#[derive(Debug, Default)]
pub struct People {
    // Nobody where they press Cancel.
    signed_in: Mutex<Option<Value>>,
    forged: Mutex<Option<Forged>>,
    codes: Mutex<BTreeMap<String, Asked>>,
    violations: Mutex<Vec<String>>,
}

/// How a token differs from a right one.
#[derive(Debug, Clone)]
pub enum Forged {
    /// It claims something else; null takes a claim away.
    Claims(Value),
    /// It is signed with this key.
    SignedWith(Key),
    /// It is signed with the second key, and says that it is the first.
    UnderAnothersName,
    /// It is signed by HMAC, with the public key for a secret.
    WithThePublicKey,
    /// It is not signed.
    Unsigned,
}

/// What the app asked for with a code.
#[derive(Debug)]
struct Asked {
    nonce: String,
    challenge: String,
    redirect: String,
    claims: Value,
}

type Fields = BTreeMap<String, String>;

impl Issuer {
    /// The app.
    pub const CLIENT_ID: &'static str = "entryguard-tests";
    /// What the app shows.
    pub const CLIENT_SECRET: &'static str = "oidc-client-secret/of+the tests";

    /// The app's table in the configuration.
    pub fn toml(&self) -> String {
        format!(
            "[oidc]\nissuer = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"OIDC_CLIENT_SECRET\" }}\n",
            self.url(),
            Self::CLIENT_ID
        )
    }

    /// How the configuration names somebody.
    pub fn identity(&self, subject: &str) -> String {
        format!("oidc:{}/{subject}", self.url().trim_start_matches("http://"))
    }

    /// Whoever comes next is this user, and agrees; `other` is what else is known of them.
    pub fn sign_in(&self, subject: &str, other: &Value) {
        *lock(&self.shared.people.signed_in) = Some(with(json!({ "sub": subject }), other));
    }

    /// Tokens are forged so from now on, or right again.
    pub fn forge(&self, how: Option<Forged>) {
        *lock(&self.shared.people.forged) = how;
    }

    /// What the app did that no issuer would have accepted.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.shared.people.violations).clone()
    }
}

pub fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/authorize", axum::routing::get(authorize)).route("/oauth/token", axum::routing::post(exchange))
}

fn field(fields: &Fields, name: &str) -> String {
    fields.get(name).cloned().unwrap_or_default()
}

async fn authorize(Given(shared): Given<Arc<Shared>>, Query(query): Query<Fields>) -> Response {
    let people = &shared.people;
    let scopes = field(&query, "scope");
    let wanted = [
        ("response_type", field(&query, "response_type") == "code"),
        ("client_id", field(&query, "client_id") == Issuer::CLIENT_ID),
        ("scope", scopes.split(' ').any(|scope| scope == "openid")),
        ("code_challenge_method", field(&query, "code_challenge_method") == "S256"),
        ("code_challenge", field(&query, "code_challenge").len() == 43),
        ("state", field(&query, "state").len() >= 32),
        ("nonce", field(&query, "nonce").len() >= 32),
    ];
    let wrong = wanted.iter().filter(|(_, right)| !right).map(|(name, _)| format!("{name} of {query:?}"));
    lock(&people.violations).extend(wrong);
    let redirect = field(&query, "redirect_uri");
    let answer = match lock(&people.signed_in).clone() {
        Some(claims) => {
            let (code, [nonce, challenge]) = (unique("code"), ["nonce", "code_challenge"].map(|name| field(&query, name)));
            lock(&people.codes).insert(code.clone(), Asked { nonce, challenge, redirect: redirect.clone(), claims });
            format!("code={code}")
        }
        None => "error=access_denied".to_owned(),
    };
    Redirect::to(&format!("{redirect}?{answer}&state={}", field(&query, "state"))).into_response()
}

async fn exchange(Given(shared): Given<Arc<Shared>>, headers: HeaderMap, Form(form): Form<Fields>) -> Response {
    let people = &shared.people;
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    // RFC 6749, 2.3.1: each is form-encoded before it is put together.
    let secret = STANDARD.encode(format!("{}:{}", Issuer::CLIENT_ID, "oidc-client-secret%2Fof%2Bthe+tests"));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&format!("Basic {secret}")) {
        return refused("invalid_client");
    }
    let Some(asked) = lock(&people.codes).remove(&field(&form, "code")) else { return refused("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field(&form, "code_verifier")));
    if challenge != asked.challenge || field(&form, "redirect_uri") != asked.redirect {
        lock(&people.violations).push(format!("another verifier or redirect_uri: {form:?}"));
        return refused("invalid_grant");
    }
    let now = unix_seconds();
    let url = lock(&shared.url).clone();
    let right = json!({ "iss": url, "aud": Issuer::CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked.nonce });
    let token = made(&with(right, &asked.claims), lock(&people.forged).as_ref());
    Json(json!({ "access_token": unique("access"), "token_type": "Bearer", "expires_in": 300, "id_token": token }))
        .into_response()
}

fn made(claims: &Value, how: Option<&Forged>) -> String {
    match how {
        None => sign_as(claims, Key::First, &Key::First.id()),
        Some(Forged::Claims(other)) => sign_as(&with(claims.clone(), other), Key::First, &Key::First.id()),
        Some(Forged::SignedWith(key)) => sign_as(claims, *key, &key.id()),
        Some(Forged::UnderAnothersName) => sign_as(claims, Key::Second, &Key::First.id()),
        Some(Forged::WithThePublicKey) => with_public_key(claims),
        Some(Forged::Unsigned) => unsigned(claims),
    }
}
