//! The token that shows which workflow this is: asked of the runner, for our audience alone.

use std::env;

use http::Method;
use secrecy::SecretString;
use serde_json::Value;

use crate::http::{NoAnswer, call, encoded};
use crate::runner::Runner;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The workflow may not have one.
    #[error(
        "This job gets no token from GitHub. Add `permissions: id-token: write` to the job (and `contents: read`, if it checks out)."
    )]
    NotPermitted,
    /// GitHub gives none to forks.
    #[error(
        "This job gets no token from GitHub: a pull request from a fork never does, so it opens nothing. \
         Run the step for pushes, or for pull requests of the repository itself."
    )]
    Fork,
    /// The runner's own trouble.
    #[error("GitHub gave no token: {0}")]
    Runner(#[from] NoAnswer),
    /// Something else than a token.
    #[error("GitHub gave no token: it answered {0}")]
    Refused(http::StatusCode),
}

/// Asks the runner for a token.
pub async fn request(audience: &str, runner: &Runner) -> Result<SecretString, NoToken> {
    let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(url), Some(bearer)) = (given("ACTIONS_ID_TOKEN_REQUEST_URL"), given("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) else {
        return Err(if is_of_a_fork(given("GITHUB_EVENT_PATH"), given("GITHUB_REPOSITORY")) {
            NoToken::Fork
        } else {
            NoToken::NotPermitted
        });
    };
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{joint}audience={}", encoded(audience));
    let answer = call(Method::GET, &url, &SecretString::from(bearer), None).await?;
    let token = answer.body["value"].as_str().ok_or(NoToken::Refused(answer.status))?;
    runner.mask(token);
    Ok(SecretString::from(token.to_owned()))
}

/// Whether the job is for a pull request whose branch is in another repository.
fn is_of_a_fork(event: Option<String>, repository: Option<String>) -> bool {
    let event = event.and_then(|path| std::fs::read_to_string(path).ok());
    let event: Value = event.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let Some(head) = event["pull_request"]["head"].as_object() else { return false };
    // A fork that was deleted since has no name any more.
    let name = head.get("repo").and_then(|repo| repo["full_name"].as_str());
    name.is_none() || repository.as_deref() != name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_of_another_repository_or_of_one_that_is_gone_is_a_forks() {
        let is_of_a_fork = |event: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), event).unwrap();
            is_of_a_fork(Some(file.path().display().to_string()), Some("acme/api".to_owned()))
        };
        assert!(is_of_a_fork(r#"{ "pull_request": { "head": { "repo": { "full_name": "eve/api" } } } }"#));
        assert!(is_of_a_fork(r#"{ "pull_request": { "head": { "repo": null } } }"#));
        assert!(!is_of_a_fork(r#"{ "pull_request": { "head": { "repo": { "full_name": "acme/api" } } } }"#));
        assert!(!is_of_a_fork(r#"{ "ref": "refs/heads/main" }"#));
    }
}
