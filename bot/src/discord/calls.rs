//! One call of Discord's REST API: at the pace that Discord asks for, not for too long, and what its error means for us.
//!
//! serenity has the routes and the bodies. Its own client drops the header that says for how long to wait, and keeps no pace where a
//! proxy stands between, so the calls that matter are made here.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use entryguard_core::config::DiscordSettings;
use entryguard_outgoing::HttpClient;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serenity::http::{HttpError, LightMethod, Route};

use super::pace::Pace;
use crate::chat::ChatError;

/// How long one call may take, waiting for its bucket included.
pub const CALL: Duration = Duration::from_secs(5);
/// How long one may take while Discord waits for an answer: three seconds are all there is.
pub const WHILE_ASKED: Duration = Duration::from_millis(1500);

/// Where Discord is, where nothing stands between.
const DISCORD: &str = "https://discord.com";
/// As Discord wants bots to name themselves.
const AGENT: &str = concat!("DiscordBot (", env!("CARGO_PKG_REPOSITORY"), ", ", env!("CARGO_PKG_VERSION"), ")");
/// No answer is larger.
const LARGEST: usize = 4 * 1024 * 1024;

/// Codes of Discord's errors that say something to us.
pub mod code {
    pub const UNKNOWN_CHANNEL: isize = 10003;
    pub const UNKNOWN_MEMBER: isize = 10007;
    pub const UNKNOWN_MESSAGE: isize = 10008;
    pub const UNKNOWN_USER: isize = 10013;
    pub const UNKNOWN_WEBHOOK: isize = 10015;
    pub const UNKNOWN_INTERACTION: isize = 10062;
    pub const MISSING_ACCESS: isize = 50001;
    pub const CANNOT_MESSAGE_USER: isize = 50007;
    pub const MISSING_PERMISSIONS: isize = 50013;
    pub const WRONG_CHANNEL_TYPE: isize = 50024;
    pub const INVALID_WEBHOOK_TOKEN: isize = 50027;
    pub const THREAD_ARCHIVED: isize = 50083;
    pub const CANNOT_REPLY: isize = 160_002;
    pub const THREAD_EXISTS: isize = 160_004;
}

/// The way to Discord's REST API, as our app.
pub struct Calls {
    client: HttpClient<Full<Bytes>>,
    token: HeaderValue,
    base: String,
    pace: Pace,
}

/// A call that failed, and Discord's own code for it.
#[derive(Debug)]
pub struct Failed {
    /// Discord's code.
    pub code: Option<isize>,
    /// What that means for us.
    pub error: ChatError,
}

/// An error as Discord writes it.
#[derive(Deserialize)]
struct Refusal {
    code: isize,
    message: String,
}

impl Calls {
    /// For the app of the configuration.
    pub fn new(settings: &DiscordSettings) -> std::io::Result<Self> {
        let client = HttpClient::for_url(&settings.api_url)?;
        let token = HeaderValue::from_str(&format!("Bot {}", settings.bot_token.expose_secret()));
        let mut token =
            token.map_err(|_| std::io::Error::other("[discord] bot_token is no token; copy it again from the app's page"))?;
        token.set_sensitive(true);
        Ok(Self { client, token, base: settings.api_url.clone(), pace: Pace::default() })
    }

    /// Asks for something.
    pub async fn get<T: DeserializeOwned>(&self, patience: Duration, route: Route<'_>) -> Result<T, Failed> {
        self.call(patience, LightMethod::Get, route, Bytes::new()).await
    }

    /// Makes a call with a body.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &impl Serialize,
    ) -> Result<T, Failed> {
        let body =
            serde_json::to_vec(body).map_err(|error| Failed { code: None, error: ChatError::Refused(error.to_string()) })?;
        self.call(CALL, method, route, body.into()).await
    }

    /// Makes a call, and waits for its bucket where that is soon enough.
    pub async fn call<T: DeserializeOwned>(
        &self,
        patience: Duration,
        method: LightMethod,
        route: Route<'_>,
        body: Bytes,
    ) -> Result<T, Failed> {
        let called = Instant::now();
        while let Err(wait) = self.pace.take((route.ratelimiting_bucket(), method), Instant::now()) {
            // Half of the patience is for the call itself.
            if called.elapsed() + wait > patience / 2 {
                return Err(Failed { code: None, error: ChatError::RateLimited(Some(wait)) });
            }
            tokio::time::sleep(wait).await;
        }
        let left = patience.saturating_sub(called.elapsed());
        let answer = tokio::time::timeout(left, self.exchange(method, route, body)).await;
        let body = answer.map_err(|_| Failed::unreachable(format!("nothing within {} ms", patience.as_millis())))??;
        // Where there is nothing to say, Discord says nothing at all.
        let body = if body.is_empty() { Bytes::from_static(b"null") } else { body };
        serde_json::from_slice(&body).map_err(|error| Failed::unreachable(format!("its answer makes no sense: {error}")))
    }

    async fn exchange(&self, method: LightMethod, route: Route<'_>, body: Bytes) -> Result<Bytes, Failed> {
        let bucket = (route.ratelimiting_bucket(), method);
        let request = Request::builder()
            .method(method.reqwest_method())
            .uri(route.path().replacen(DISCORD, &self.base, 1))
            .header(AUTHORIZATION, self.token.clone())
            .header(USER_AGENT, AGENT);
        // Nothing at all is no JSON, and Discord refuses what says that it is.
        let request = if body.is_empty() { request } else { request.header(CONTENT_TYPE, "application/json") };
        let request = request.body(Full::new(body));
        let unreachable = |error: &dyn std::error::Error| Failed::unreachable(error.to_string());
        let answer =
            self.client.request(request.map_err(|error| unreachable(&error))?).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let wait = self.pace.learn(bucket, status, answer.headers(), Instant::now());
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| Failed::unreachable(error.to_string()))?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
        let refusal = refusal.unwrap_or_else(|| Refusal { code: -1, message: format!("HTTP {status}") });
        Err(Failed::of(status, refusal.code, &refusal.message, wait))
    }
}

impl Failed {
    fn unreachable(why: String) -> Self {
        Self { code: None, error: ChatError::Unreachable(why) }
    }

    fn of(status: StatusCode, code: isize, message: &str, wait: Option<Duration>) -> Self {
        let why = format!("{code}: {message}");
        let error = match (status.as_u16(), code) {
            (429, _) => ChatError::RateLimited(wait),
            (_, code::UNKNOWN_CHANNEL | code::MISSING_ACCESS | code::MISSING_PERMISSIONS | code::CANNOT_MESSAGE_USER) => {
                ChatError::NoAccess(why)
            }
            (_, code::UNKNOWN_MESSAGE | code::UNKNOWN_WEBHOOK | code::UNKNOWN_INTERACTION | code::INVALID_WEBHOOK_TOKEN) => {
                ChatError::MessageGone(why)
            }
            (500.., _) => ChatError::Unreachable(why),
            _ => ChatError::Refused(why),
        };
        Self { code: Some(code), error }
    }

    /// A thread, or a whole channel, that somebody deleted took its messages along.
    pub fn in_the_place_of_a_message(self) -> ChatError {
        match (self.code, self.error) {
            (Some(code::UNKNOWN_CHANNEL), ChatError::NoAccess(why)) => ChatError::MessageGone(why),
            (_, error) => error,
        }
    }
}

impl From<Failed> for ChatError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A call of serenity's own client, for somebody who waits at a terminal, and for the Gateway.
pub async fn asked<T>(call: impl Future<Output = serenity::Result<T>>) -> Result<T, ChatError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)))) => {
            Err(Failed::of(answer.status_code, answer.error.code, &answer.error.message, None).error)
        }
        Ok(Err(error)) => Err(ChatError::Unreachable(error.to_string())),
        Err(_) => Err(ChatError::Unreachable(format!("nothing within {} s", CALL.as_secs()))),
    }
}
