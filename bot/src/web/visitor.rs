//! Whoever looks at a page, as the server recognizes them, and what they send from one.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, FromRef, FromRequest, FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use entryguard_core::config::is_this_machine;
use entryguard_core::domain::{Identity, SharedExit, Surface, WebSessionId};
use entryguard_core::engine::{Caller, EngineError, Visit, WebCookie};
use entryguard_core::provider::Verify;
use entryguard_core::random::{Random, bytes};
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::asked::InForm;
use super::landing::not_signed_in;
use super::problem::problem;
use super::seen::SealKey;
use super::sign_in::{SIGNED_IN, WaysIn, refusal};
use crate::http::client_address::ClientAddress;
use crate::http::{SameOrigin, Shared, cookies};

/// What the pages' handlers may use.
#[derive(Clone)]
pub struct WebState {
    /// What every handler may use.
    pub shared: Shared,
    /// By what visitors are recognized.
    pub recognition: Recognition,
    /// What addresses that were seen are sealed with.
    pub seal_key: SealKey,
    /// Ways out that many people share.
    pub shared_exits: Arc<[SharedExit]>,
    /// What asks resources whether they answer.
    pub verify: Arc<dyn Verify>,
}

/// By what visitors are recognized.
#[derive(Clone)]
pub enum Recognition {
    /// Whoever sits at this machine is the demo's administrator.
    ThisMachine(FormKey),
    /// Whoever has signed in, by the cookie that their browser was given; and how others can.
    SignedIn(Arc<WaysIn>),
}

/// A member who looks at a page.
pub struct Visitor {
    /// Who.
    pub caller: Caller,
    /// What every form of the page has to bring back.
    pub form_token: FormToken,
    /// Which browser has signed in; none where nobody has to.
    pub browser: Option<WebSessionId>,
}

/// A visitor whose open page asks by itself for what changes: nobody has used it.
pub struct Watcher(pub Visitor);

/// What the address says that a page asks for by itself, where it is one that people open, too.
pub const BY_ITSELF: &str = "again";

/// A form that a visitor sent, from a page of ours that was made for them.
pub struct Sent<T> {
    /// Who sent it.
    pub visitor: Visitor,
    /// From where.
    pub client: ClientAddress,
    /// What it says.
    pub form: T,
}

/// What form tokens are made with.
#[derive(Clone)]
pub struct FormKey([u8; 64]);

/// What shows that a form is from a page that was made for its sender.
#[derive(Clone, PartialEq, Eq)]
pub struct FormToken(String);

impl FormKey {
    /// A new key: pages from before a restart have to be loaded again.
    pub fn new(random: &dyn Random) -> Self {
        Self(bytes(random))
    }

    /// The key of a browser that keeps its secret itself.
    pub fn of_cookie(secret: &SecretString) -> Self {
        let mut key = [0; 64];
        key.iter_mut().zip(secret.expose_secret().bytes()).for_each(|(place, byte)| *place = byte);
        Self(key)
    }

    /// A browser's key, which all replicas know: made of what the database has for it, and of what pages are sealed with, so that the
    /// database alone is not enough.
    pub fn shared(secret: &SecretString, seal_key: &SealKey) -> Self {
        Self(seal_key.derived("form key", secret.expose_secret()))
    }

    /// The token for the pages of whoever is recognized by this.
    pub fn token_for(&self, recognized_by: &str) -> FormToken {
        FormToken(hex::encode(self.mac(recognized_by).finalize().into_bytes()))
    }

    fn mac(&self, recognized_by: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(recognized_by.as_bytes());
        mac
    }
}

impl FormToken {
    /// The field that every form has.
    pub fn field(&self) -> Markup {
        html! { input type="hidden" name="form_token" value=(self.0); }
    }

    /// What ties an answer to the visitor of a page, and tells nobody the token.
    pub fn ticket(&self) -> String {
        hex::encode(Sha256::digest(format!("entryguard ticket\0{}", self.0)))
    }

    /// Whether a form brought it back.
    pub fn is(&self, given: &str) -> bool {
        // As long as it takes for any other text of this length: it tells nothing of where they differ.
        given.len() == self.0.len() && given.bytes().zip(self.0.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl fmt::Debug for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormToken")
    }
}

impl FromRef<WebState> for Shared {
    fn from_ref(state: &WebState) -> Self {
        state.shared.clone()
    }
}

impl FromRequestParts<WebState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Response> {
        recognized(parts, state, is_by_itself(parts)).await
    }
}

impl FromRequestParts<WebState> for Watcher {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Response> {
        recognized(parts, state, true).await.map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<WebState> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &WebState) -> Result<Self, Response> {
        #[derive(Deserialize)]
        struct WithToken<T> {
            #[serde(default)]
            form_token: String,
            #[serde(flatten)]
            form: T,
        }
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        // A program says nothing of where it sends from: the form's token, which no page elsewhere can read, is the other proof.
        SameOrigin::from_request_parts(&mut parts, state).await?;
        let Ok(client) = ClientAddress::from_request_parts(&mut parts, state).await;
        let sent = InForm::from_request(Request::from_parts(parts, body), state).await?;
        let InForm(WithToken::<T> { form_token, form }) = sent;
        if !visitor.form_token.is(&form_token) {
            let why =
                "This form is not from a page that was made for you, or is an old one. Nothing was done: load the page again.";
            return Err(problem(StatusCode::FORBIDDEN, "Nothing was done", why));
        }
        Ok(Self { visitor, client, form })
    }
}

/// Whether a page is shown again without anybody's doing. What changes something never is.
pub fn is_by_itself(parts: &Parts) -> bool {
    let says_so = |query: &str| query.split('&').any(|pair| pair.split('=').next() == Some(BY_ITSELF));
    matches!(parts.method, Method::GET | Method::HEAD) && parts.uri.query().is_some_and(says_so)
}

async fn recognized(parts: &Parts, state: &WebState, by_itself: bool) -> Result<Visitor, Response> {
    match &state.recognition {
        Recognition::ThisMachine(key) => {
            let here = whoever_is_here(parts, &state.shared);
            let caller = here.map_err(|why| problem(StatusCode::FORBIDDEN, "Not from here", why))?;
            Ok(Visitor { caller, form_token: key.token_for("this machine"), browser: None })
        }
        Recognition::SignedIn(ways) => whoever_signed_in(parts, state, ways, by_itself).await,
    }
}

/// Whoever has signed in. Who they are is looked up at each request, so a sign-in is worth nothing once its member is gone.
async fn whoever_signed_in(parts: &Parts, state: &WebState, ways: &WaysIn, by_itself: bool) -> Result<Visitor, Response> {
    let shared = &state.shared;
    let Some(cookie) = cookies::sent(&parts.headers, SIGNED_IN).and_then(WebCookie::from_request) else {
        return Err(not_signed_in(parts, ways));
    };
    let visit = if by_itself { shared.engine.watch(&cookie).await } else { shared.engine.visit(&cookie).await };
    match visit {
        Ok(Visit { caller, browser, form_key, renewed }) => {
            if let (Some(renewed), Some(carried)) = (renewed, parts.extensions.get::<RenewedCookie>()) {
                carried.put(cookies::kept(SIGNED_IN, &renewed.expose(), shared.engine.stays_signed_in()));
            }
            Ok(Visitor {
                caller,
                form_token: FormKey::shared(&form_key, &state.seal_key).token_for("pages"),
                browser: Some(browser),
            })
        }
        Err(EngineError::SignedOut | EngineError::NoSignIn) => Err(not_signed_in(parts, ways)),
        Err(error) => Err(refusal(&error)),
    }
}

/// Where the cookie waits that was exchanged while a request was looked at.
#[derive(Clone, Default)]
struct RenewedCookie(Arc<Mutex<Option<HeaderValue>>>);

impl RenewedCookie {
    fn put(&self, cookie: Option<HeaderValue>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cookie;
    }

    fn take(&self) -> Option<HeaderValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Gives a browser the cookie that its own was exchanged for: to be laid around all pages.
pub async fn carry_cookies(mut request: Request, next: Next) -> Response {
    let renewed = RenewedCookie::default();
    request.extensions_mut().insert(renewed.clone());
    let mut response = next.run(request).await;
    // What a page has said of its visitor's cookie itself, such as its end, is newer.
    if !response.headers().contains_key(header::SET_COOKIE) {
        response.headers_mut().extend(renewed.take().map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

/// What says that a request was made to somebody else first.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"];

/// Whoever sits at this machine. The connection must come from it, and the page must have been asked for by its own name: a page
/// elsewhere that resolves its name to this machine shows another one.
fn whoever_is_here(parts: &Parts, shared: &Shared) -> Result<Caller, &'static str> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // What forwards to this machine comes from it, whoever it forwards for: a tunnel, an editor's port, a proxy.
    let is_forwarded = FORWARDED.iter().any(|name| parts.headers.contains_key(*name));
    if !peer.is_some_and(|peer| peer.is_loopback()) || !is_this_machine(host) || is_forwarded {
        return Err("The demo serves whoever sits at this machine alone, and nothing that is forwarded to it.");
    }
    let local = shared.engine.caller(&Identity::Local, Surface::Web);
    local.map_err(|_| "The demo has no local administrator.")
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

    #[test]
    fn i8_what_the_database_has_of_a_browser_makes_no_form_token_by_itself() {
        let secret = SecretString::from("of the database");
        let token = |seal: &str| FormKey::shared(&secret, &SealKey::shared(&SecretString::from(seal))).token_for("pages");
        assert!(token("ours").is(&token("ours").0));
        assert!(!token("ours").is(&token("theirs").0));
    }

    #[test]
    fn a_token_is_good_for_its_own_visitor_alone() {
        let (key, other) = (FormKey([1; 64]), FormKey([2; 64]));
        let token = key.token_for("ana");
        assert!(token.is(&key.token_for("ana").0));
        for wrong in [key.token_for("bo").0, other.token_for("ana").0, String::new()] {
            assert!(!token.is(&wrong));
        }
    }
}
