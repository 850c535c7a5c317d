//! JSON over HTTP: one request, one answer, soon.

use std::time::Duration;

use bytes::Bytes;
use entryguard_core::random::{self, SystemRandom};
use entryguard_outgoing::HttpClient;
use http::{HeaderValue, Method, Request, StatusCode, header, request};
use http_body_util::{BodyExt, Full, Limited};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How large an answer may be.
const LARGEST: usize = 1024 * 1024;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The JSON; null where there was none.
    pub body: Value,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Not an address that can be called.
    #[error("`{0}` is not an address that can be called")]
    Address(String),
    /// Nobody there, or not in time.
    #[error("{0} does not answer ({1})")]
    Silent(String, String),
}

/// Makes a call.
pub async fn call(method: Method, url: &str, bearer: &SecretString, body: Option<&Value>) -> Result<Answer, NoAnswer> {
    let silent = |why: &dyn std::fmt::Display| NoAnswer::Silent(host_of(url), why.to_string());
    let mut token = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret())).map_err(|error| silent(&error))?;
    token.set_sensitive(true);
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let request = request(method, url)
        .header(header::AUTHORIZATION, token)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json");
    let (status, bytes) = exchange(request, bytes, url).await?;
    Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
}

/// The text at an address, without telling who asks.
pub async fn text(url: &str) -> Result<String, NoAnswer> {
    let (status, bytes) = exchange(request(Method::GET, url), Bytes::new(), url).await?;
    match status.is_success() {
        true => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        false => Err(NoAnswer::Silent(host_of(url), format!("it answers {status}"))),
    }
}

fn request(method: Method, url: &str) -> request::Builder {
    let agent = concat!("entryguard-action/", env!("CARGO_PKG_VERSION"));
    Request::builder().method(method).uri(url).header(header::USER_AGENT, agent)
}

async fn exchange(request: request::Builder, body: Bytes, url: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
    let silent = |why: &dyn std::fmt::Display| NoAnswer::Silent(host_of(url), why.to_string());
    let request = request.body(Full::new(body)).map_err(|_| NoAnswer::Address(url.to_owned()))?;
    // Whoever writes http:// has said so; a token is for nobody else's eyes, so nothing leads from https to http.
    let client = HttpClient::<Full<Bytes>>::for_url(url).map_err(|error| silent(&error))?;
    let calling = async {
        let answer = client.request(request).await.map_err(|error| silent(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| silent(&error))?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(PATIENCE, calling).await.unwrap_or_else(|_| Err(silent(&"it takes too long")))
}

/// Random bytes in hexadecimal.
pub fn random_hex<const N: usize>() -> String {
    hex::encode(random::bytes::<N>(&SystemRandom))
}

/// Percent-encoding, as for a value in a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The URL up to its path, for people: what follows can be a secret.
fn host_of(url: &str) -> String {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find(['/', '?']).map_or(url.len(), |at| after_scheme + at);
    url[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_one_value_of_the_query() {
        assert_eq!(encoded("https://guard.example.com/a&b"), "https%3A%2F%2Fguard.example.com%2Fa%26b");
    }

    #[test]
    fn people_read_the_host_and_no_more() {
        assert_eq!(host_of("https://guard.example.com/api?token=x"), "https://guard.example.com");
        assert_eq!(host_of("nonsense"), "nonsense");
    }
}
