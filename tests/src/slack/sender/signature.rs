//! How Slack signs.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `v0=` and the HMAC of `v0:TIMESTAMP:BODY`.
pub fn of(secret: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}
