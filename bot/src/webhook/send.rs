//! One attempt: signed as Standard Webhooks says, and judged by the answer's status alone. No redirect is followed, and no answer's
//! body is read: it could be without an end.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::DateTime;
use entryguard_core::config::WebhookSettings;
use entryguard_core::domain::{Span, Timestamp};
use entryguard_core::engine::NotTaken;
use entryguard_outgoing::HttpClient;
use hmac::{Hmac, KeyInit, Mac};
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The way to one receiver.
pub struct Sender {
    client: HttpClient<Full<Bytes>>,
    url: String,
    secrets: Vec<SecretString>,
}

impl Sender {
    /// To the receiver of a webhook.
    pub fn new(webhook: &WebhookSettings) -> std::io::Result<Self> {
        let client = HttpClient::for_url(&webhook.url)?;
        Ok(Self { client, url: webhook.url.clone(), secrets: webhook.secrets.clone() })
    }

    /// Sends a message once. `id` is the message's own, and the same at each attempt.
    pub async fn send(&self, id: &str, now: Timestamp, body: &str) -> Result<(), NotTaken> {
        let later = |why: String| NotTaken::Later { why, wait: None };
        let request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("user-agent", "entryguard")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_seconds())
            .header("webhook-signature", signatures(&self.secrets, id, now, body))
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|error| later(error.to_string()))?;
        let answer = match tokio::time::timeout(PATIENCE, self.client.request(request)).await {
            Err(_) => return Err(later(format!("no answer within {} s", PATIENCE.as_secs()))),
            Ok(Err(error)) => return Err(later(format!("no answer: {}", innermost(&error)))),
            Ok(Ok(answer)) => answer,
        };
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(NotTaken::Gone),
            status => Err(NotTaken::Later { why: format!("it answered {status}"), wait: asked_wait(answer.headers(), now) }),
        }
    }
}

/// One signature for each secret: whoever knows either takes it.
fn signatures(secrets: &[SecretString], id: &str, now: Timestamp, body: &str) -> String {
    let signature = |secret: &SecretString| {
        // Checked when the configuration was read.
        let key = STANDARD.decode(secret.expose_secret()).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(format!("{id}.{}.{body}", now.as_seconds()).as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    secrets.iter().filter_map(signature).collect::<Vec<_>>().join(" ")
}

/// How long the answer asks to wait: in seconds, or until a date.
fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Span> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Span::from_seconds(i64::from(seconds)));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::from_millis(until.timestamp_millis()).since(now))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_standard_s_own_example() {
        // From the specification of Standard Webhooks.
        let secret = SecretString::from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let (id, now) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", Timestamp::from_millis(1_614_265_330_000));
        let one = signatures(std::slice::from_ref(&secret), id, now, r#"{"test": 2432232314}"#);
        assert_eq!(one, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let two = signatures(&[secret.clone(), secret], id, now, r#"{"test": 2432232314}"#);
        assert_eq!(two, format!("{one} {one}"));
    }

    #[test]
    fn a_receiver_says_how_long_to_wait_in_seconds_or_with_a_date() {
        let now = Timestamp::from_millis(1_614_265_330_000);
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            asked_wait(&headers, now).map(|wait| wait.to_string())
        };
        assert_eq!(wait("120").as_deref(), Some("2m"));
        assert_eq!(wait("Thu, 25 Feb 2021 15:03:10 GMT").as_deref(), Some("1m"));
        assert_eq!(wait("Thu, 25 Feb 2021 15:00:00 GMT").as_deref(), Some("0s"));
        assert_eq!(wait("soon"), None);
    }
}
