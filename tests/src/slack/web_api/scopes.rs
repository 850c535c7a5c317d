//! Which scope each method takes, as Slack's reference of the method says.

use super::Refusal;
use crate::slack::weather::Weather;

/// Whether the app has one of the scopes that the method takes. What a test took away is the world as it is; what the manifest never
/// asked for is a mistake.
pub fn granted(weather: &Weather, method: &str) -> Result<(), Refusal> {
    let needed = needed(method);
    let granted = weather.scopes();
    if needed.is_empty() || needed.iter().any(|scope| granted.contains(scope)) {
        return Ok(());
    }
    match needed.iter().any(|scope| weather.lacks.contains(*scope)) {
        true => Err(Refusal::Circumstance("missing_scope")),
        false => Err(Refusal::mistake("missing_scope", format!("{method} takes {}", needed.join(" or ")))),
    }
}

/// Any of these will do; none where the token alone is enough.
fn needed(method: &str) -> &'static [&'static str] {
    match method {
        "chat.postMessage" | "chat.postEphemeral" | "chat.update" | "chat.delete" => &["chat:write"],
        "conversations.info" => &["channels:read", "groups:read"],
        "conversations.open" => &["im:write", "mpim:write"],
        "users.info" => &["users:read"],
        _ => &[],
    }
}
