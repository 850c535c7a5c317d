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
use http_body_util::{BodyExt, Full};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serenity::http::{HttpError, LightMethod, Route};

use super::pace::{self, Pace, TooFast};
use crate::chat::{ChatError, Limit, Limited};

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
    pub const UNKNOWN_GUILD: isize = 10004;
    pub const UNKNOWN_MEMBER: isize = 10007;
    pub const UNKNOWN_MESSAGE: isize = 10008;
    pub const UNKNOWN_USER: isize = 10013;
    pub const UNKNOWN_WEBHOOK: isize = 10015;
    pub const UNKNOWN_INTERACTION: isize = 10062;
    /// `Explicit content cannot be sent to the desired recipient(s)`.
    pub const EXPLICIT_CONTENT: isize = 20009;
    /// `The write action you are performing on the channel has hit the write rate limit`; said of edits of one old message, too.
    pub const CHANNEL_WRITES: isize = 20028;
    /// `Maximum number of edits to messages older than 1 hour reached`.
    pub const OLD_MESSAGE_EDITS: isize = 30046;
    pub const MISSING_ACCESS: isize = 50001;
    pub const EMPTY_MESSAGE: isize = 50006;
    pub const CANNOT_MESSAGE_USER: isize = 50007;
    pub const NOT_A_TEXT_CHANNEL: isize = 50008;
    pub const VERIFICATION_LEVEL: isize = 50009;
    pub const MISSING_PERMISSIONS: isize = 50013;
    pub const WRONG_CHANNEL_TYPE: isize = 50024;
    pub const INVALID_WEBHOOK_TOKEN: isize = 50027;
    pub const INVALID_FORM: isize = 50035;
    pub const THREAD_ARCHIVED: isize = 50083;
    pub const INVALID_JSON: isize = 50109;
    /// `Cannot send messages to this user due to having no mutual guilds`.
    pub const NO_MUTUAL_GUILD: isize = 50278;
    pub const CANNOT_REPLY: isize = 160_002;
    pub const THREAD_EXISTS: isize = 160_004;
    pub const THREAD_LOCKED: isize = 160_005;
    pub const TOO_MANY_THREADS: isize = 160_006;
    pub const TOO_MANY_ANNOUNCEMENT_THREADS: isize = 160_007;
    /// `Message was blocked by automatic moderation`.
    pub const MODERATED: isize = 200_000;
    /// `Message blocked by harmful links filter`.
    pub const HARMFUL_LINK: isize = 240_000;

    /// No code, or one that says nothing.
    pub const NONE: [isize; 2] = [-1, 0];
    /// What is written is at fault, wherever it goes.
    pub const OF_CONTENT: [isize; 3] = [EMPTY_MESSAGE, INVALID_FORM, INVALID_JSON];
    /// The app, or anybody, cannot write there.
    pub const NO_ACCESS: [isize; 14] = [
        UNKNOWN_CHANNEL,
        UNKNOWN_GUILD,
        EXPLICIT_CONTENT,
        MISSING_ACCESS,
        CANNOT_MESSAGE_USER,
        NOT_A_TEXT_CHANNEL,
        VERIFICATION_LEVEL,
        MISSING_PERMISSIONS,
        WRONG_CHANNEL_TYPE,
        THREAD_ARCHIVED,
        NO_MUTUAL_GUILD,
        THREAD_LOCKED,
        MODERATED,
        HARMFUL_LINK,
    ];
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
    /// The status of the answer.
    pub status: Option<StatusCode>,
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
        let body = serde_json::to_vec(body).map_err(|error| Failed::without_answer(ChatError::Refused(error.to_string())))?;
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
        while let Err((of, wait)) = self.pace.take((route.ratelimiting_bucket(), method), Instant::now()) {
            // Half of the patience is for the call itself.
            if called.elapsed() + wait > patience / 2 {
                return Err(Failed::without_answer(ChatError::RateLimited(Limit { of, wait: Some(wait) })));
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
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = http_body_util::Limited::new(answer.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| Failed::unreachable(error.to_string()))?.to_bytes();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let limit = pace::limit(method, &headers, serde_json::from_slice::<TooFast>(&body).ok().as_ref());
            self.pace.close(bucket, limit, Instant::now());
            return Err(Failed { status: Some(status), code: None, error: ChatError::RateLimited(limit) });
        }
        self.pace.learn(bucket, &headers, Instant::now());
        if status.is_success() {
            return Ok(body);
        }
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
        let refusal = refusal.unwrap_or_else(|| Refusal { code: -1, message: format!("HTTP {status}") });
        Err(Failed::of(status, refusal.code, &refusal.message))
    }
}

impl Failed {
    const fn without_answer(error: ChatError) -> Self {
        Self { status: None, code: None, error }
    }

    const fn unreachable(why: String) -> Self {
        Self::without_answer(ChatError::Unreachable(why))
    }

    fn of(status: StatusCode, code: isize, message: &str) -> Self {
        let why = format!("{code}: {message}");
        let error = match (status.as_u16(), code) {
            (429, _) => ChatError::RateLimited(Limit { of: Limited::Chat, wait: None }),
            (_, code) if code::NO_ACCESS.contains(&code) => ChatError::NoAccess(why),
            (_, code::UNKNOWN_MESSAGE | code::UNKNOWN_WEBHOOK | code::UNKNOWN_INTERACTION | code::INVALID_WEBHOOK_TOKEN) => {
                ChatError::MessageGone(why)
            }
            (500.., _) => ChatError::Unreachable(why),
            _ => ChatError::Refused(why),
        };
        Self { status: Some(status), code: Some(code), error }
    }

    /// What it means for a message to a place: one that takes none, for whatever reason that Discord finds, is left for another place.
    pub fn at_a_place(self) -> ChatError {
        let is_of_place = |code: &isize| !code::NONE.contains(code) && !code::OF_CONTENT.contains(code);
        match self.while_token_counts() {
            Self { code: Some(code), error: ChatError::Refused(why), .. } if is_of_place(&code) => ChatError::NoAccess(why),
            failed => failed.error,
        }
    }

    /// A thread, or a whole channel, that somebody deleted took its messages along.
    pub fn in_the_place_of_a_message(self) -> ChatError {
        match self.while_token_counts() {
            Self { code: Some(code::UNKNOWN_CHANNEL), error: ChatError::NoAccess(why), .. } => ChatError::MessageGone(why),
            failed => failed.error,
        }
    }

    /// What it means for the edit of a message: writing new messages takes nothing from its bucket.
    pub fn of_an_edit(self) -> ChatError {
        match self.in_the_place_of_a_message() {
            ChatError::RateLimited(Limit { of: Limited::Channel, wait }) => {
                ChatError::RateLimited(Limit { of: Limited::Message, wait })
            }
            error => error,
        }
    }

    /// A revoked token refuses no message: a message waits until the token is replaced, as for a Discord that is away.
    fn while_token_counts(self) -> Self {
        match self {
            Self { status: Some(StatusCode::UNAUTHORIZED), code, error: ChatError::Refused(why) } => {
                Self { status: Some(StatusCode::UNAUTHORIZED), code, error: ChatError::Unreachable(why) }
            }
            other => other,
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
            Err(Failed::of(answer.status_code, answer.error.code, &answer.error.message).error)
        }
        Ok(Err(error)) => Err(ChatError::Unreachable(error.to_string())),
        Err(_) => Err(ChatError::Unreachable(format!("nothing within {} s", CALL.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: u16, code: isize) -> Failed {
        Failed::of(StatusCode::from_u16(status).unwrap(), code, "why")
    }

    #[test]
    fn a_channel_that_takes_no_message_is_left_for_direct_messages_whatever_discord_calls_it() {
        for code in [50001, 50013, 10003, 50083, 160_002, 160_005, 50008, 50024, 200_000, 240_000, 20009, 999_999] {
            assert!(matches!(failed(403, code).at_a_place(), ChatError::NoAccess(_)), "{code}");
        }
    }

    #[test]
    fn what_no_other_place_would_take_is_tried_again_or_given_up() {
        for code in [50035, 50006, 50109, 0, -1] {
            assert!(matches!(failed(400, code).at_a_place(), ChatError::Refused(_)), "{code}");
        }
        assert!(matches!(failed(401, 0).at_a_place(), ChatError::Unreachable(_)), "until there is another token");
        assert!(matches!(failed(401, 0).error, ChatError::Refused(_)), "`check` says that the token is wrong");
        assert!(matches!(failed(502, 0).at_a_place(), ChatError::Unreachable(_)));
    }

    #[test]
    fn the_limit_of_a_bucket_of_edits_holds_up_no_new_message() {
        let limited = |of| Failed::without_answer(ChatError::RateLimited(Limit { of, wait: None })).of_an_edit();
        assert!(matches!(limited(Limited::Channel), ChatError::RateLimited(Limit { of: Limited::Message, .. })));
        assert!(matches!(limited(Limited::Chat), ChatError::RateLimited(Limit { of: Limited::Chat, .. })));
    }
}
