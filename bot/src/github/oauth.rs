//! Who has signed in at GitHub: the authorization code of the web flow for a token, and the token for a login. The token has no scope,
//! and is forgotten at once.

use std::time::Duration;

use entryguard_core::config::GithubLoginSettings;
use entryguard_core::domain::foreign_text::one_line;
use http::header::ACCEPT;
use octocrab::Octocrab;
use octocrab::auth::ExchangeWebFlowCodeBuilder;
use secrecy::SecretString;
use serde::Deserialize;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);

/// Somebody's login.
#[derive(Debug, Deserialize)]
pub struct Login {
    /// The id, which stays theirs.
    pub id: u64,
    /// The name, which can be changed.
    pub login: String,
}

/// Where to sign in. `state` comes back with the answer.
pub fn authorize_url(settings: &GithubLoginSettings, public_url: &str, state: &str) -> String {
    let redirect = callback(public_url);
    let query = [("client_id", settings.client_id.as_str()), ("redirect_uri", &redirect), ("state", state), ("scope", "")];
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    format!("{}/login/oauth/authorize?{query}", settings.login_url)
}

/// Who has signed in.
pub async fn login_of(settings: &GithubLoginSettings, public_url: &str, code: &str) -> Result<Login, octocrab::Error> {
    let client = Octocrab::builder().base_uri(settings.login_url.as_str())?;
    // GitHub answers forms otherwise.
    let client = client.add_header(ACCEPT, "application/json".to_owned()).set_read_timeout(Some(CALL)).build()?;
    let id = SecretString::from(settings.client_id.clone());
    let redirect = callback(public_url);
    let exchange = ExchangeWebFlowCodeBuilder::new(&client, &id, &settings.client_secret, code).redirect_uri(&redirect);
    let token = exchange.send().await?.access_token;
    let client = Octocrab::builder().base_uri(settings.api_url.as_str())?.user_access_token(token);
    let Login { id, login } = client.set_read_timeout(Some(CALL)).build()?.get("/user", None::<&()>).await?;
    Ok(Login { id, login: one_line(&login) })
}

fn callback(public_url: &str) -> String {
    format!("{public_url}/link/github/callback")
}
