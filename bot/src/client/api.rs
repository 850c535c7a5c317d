//! One call of the API, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use entryguard_core::random::{SystemRandom, bytes};
use entryguard_core::reply::as_typed;
use entryguard_outgoing::HttpClient;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::access::Access;

/// How long one call may take beyond what the server was asked to keep it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How large an answer may be.
const LARGEST: usize = 8 * 1024 * 1024;
/// How often a call is made whose answer was lost, where that does nothing twice.
const TRIES: u32 = 3;

/// The server's API, for whoever has the key.
pub struct Api {
    access: Access,
}

/// Why a call did not do what it was made for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nobody there, or not in time.
    #[error("{server} does not answer ({why}); check the address and your network, and try again")]
    Silent {
        /// Who.
        server: String,
        /// What happened.
        why: String,
    },
    /// The server says why.
    #[error("{detail}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it says.
        detail: String,
        /// When to come again, where it says so.
        come_again: Option<Duration>,
        /// All of the problem: its stable code, and by what it is found in the log.
        problem: Value,
    },
    /// An answer of another program's, or of another version's.
    #[error("what {0} answers makes no sense to this version: check the address, or update")]
    Senseless(String),
}

impl Api {
    /// The API behind this access.
    pub const fn new(access: Access) -> Self {
        Self { access }
    }

    /// The server's name, for people.
    pub fn server(&self) -> String {
        self.access.url.to_string()
    }

    /// Reads something; asked again where the answer is lost.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.again(|| self.call(Method::GET, path, None, None)).await
    }

    /// The same of what the server may keep for so long.
    pub async fn get_kept(&self, path: &str, kept: Duration) -> Result<Value, ApiError> {
        self.again(|| self.call_for(PATIENCE + kept, Method::GET, path, None, None)).await
    }

    /// Does something that is done once however often it is asked for.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.again(|| self.call(Method::POST, path, Some(body), None)).await
    }

    /// Does something that would be done again if it were asked for again; a key tells the server that it was the same.
    pub async fn post_once(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        let key = hex::encode(bytes::<16>(&SystemRandom));
        self.again(|| self.call(Method::POST, path, Some(body), Some(&key))).await
    }

    /// Does something that would be done again if it were asked for again, and that the server does not know apart.
    pub async fn post_unrepeated(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.call(Method::POST, path, Some(body), None).await
    }

    async fn again<F: Future<Output = Result<Value, ApiError>>>(&self, call: impl Fn() -> F) -> Result<Value, ApiError> {
        let mut tries = 1;
        loop {
            match call().await {
                Err(error) if tries < TRIES && error.is_passing() => tokio::time::sleep(Duration::from_secs(1)).await,
                answer => return answer,
            }
            tries += 1;
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>, once: Option<&str>) -> Result<Value, ApiError> {
        self.call_for(PATIENCE, method, path, body, once).await
    }

    async fn call_for(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
        once: Option<&str>,
    ) -> Result<Value, ApiError> {
        let silent = |why: &dyn std::fmt::Display| ApiError::Silent { server: self.server(), why: why.to_string() };
        let url = self.access.url.api(path);
        let mut key = HeaderValue::from_str(&format!("Bearer {}", self.access.key.expose_secret())).map_err(|_| {
            let (status, problem) = (StatusCode::UNAUTHORIZED, json!({ "code": "key_refused" }));
            ApiError::Refused { status, detail: NOT_A_KEY.to_owned(), come_again: None, problem }
        })?;
        key.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header(header::AUTHORIZATION, key)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("entryguard/", env!("CARGO_PKG_VERSION")));
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|error| silent(&error))?;
        let client = HttpClient::<Full<Bytes>>::for_url(&url).map_err(|error| silent(&error))?;
        let calling = async {
            let answer = client.request(request).await.map_err(|error| silent(&innermost(&error)))?;
            let (status, come_again) = (answer.status(), come_again(answer.status(), answer.headers()));
            let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| silent(&error))?;
            Ok((status, come_again, body.to_bytes()))
        };
        let (status, come_again, body) =
            tokio::time::timeout(patience, calling).await.map_err(|_| silent(&"it takes too long"))??;
        self.understood(status, come_again, &body)
    }

    fn understood(&self, status: StatusCode, come_again: Option<Duration>, body: &[u8]) -> Result<Value, ApiError> {
        let value: Option<Value> = serde_json::from_slice(body).ok();
        match value {
            Some(value) if status.is_success() => Ok(value),
            Some(problem) if problem["detail"].is_string() => Err(ApiError::Refused {
                status,
                detail: at_a_terminal(problem["detail"].as_str().unwrap_or_default()),
                come_again,
                problem,
            }),
            _ if status.is_server_error() => Err(ApiError::Silent { server: self.server(), why: format!("it answers {status}") }),
            _ => Err(ApiError::Senseless(self.server())),
        }
    }
}

/// When a server that has been asked too often wants to be asked again, also where a proxy keeps that to itself.
fn come_again(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let told = || headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs);
    (status == StatusCode::TOO_MANY_REQUESTS).then(|| told().unwrap_or(UNTOLD))
}

/// When to come again where nobody says when.
const UNTOLD: Duration = Duration::from_secs(10);
const NOT_A_KEY: &str = "the API key has characters that no key has; run `entryguard configure` again";

impl ApiError {
    /// Whether asking again soon may help.
    fn is_passing(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            // While nothing is opened, that goes on for longer than anybody waits here.
            Self::Refused { status, problem, .. } => status.is_server_error() && problem["code"] != "not_opening",
            Self::Senseless(_) => false,
        }
    }
}

/// A sentence of ours with each command that it quotes as one types it at a terminal.
pub fn at_a_terminal(sentence: &str) -> String {
    as_typed(sentence).replace("`/entryguard ", "`entryguard ")
}

/// What is behind an error: hyper's own words say little.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
