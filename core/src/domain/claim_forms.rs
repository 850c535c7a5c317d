//! What the claims of a workflow's token look like, as GitHub documents them: an identity that asks for anything else never matches.

/// The claims that GitHub writes into every token, or into those of some jobs.
const CLAIMS: [&str; 36] = [
    "iss",
    "aud",
    "sub",
    "actor",
    "actor_id",
    "base_ref",
    "check_run_id",
    "enterprise",
    "enterprise_id",
    "environment",
    "environment_node_id",
    "event_name",
    "head_ref",
    "job_workflow_ref",
    "job_workflow_sha",
    "ref",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "run_attempt",
    "run_id",
    "run_number",
    "runner_environment",
    "sha",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "jti",
    "exp",
    "iat",
    "nbf",
    "issuer_scope",
];

/// What the names of claims begin with that are an organization's own properties.
const PROPERTY: &str = "repo_property_";

/// Why no token ever has this claim with this value: what is wrong, and what to write instead.
pub(super) fn never_shown(name: &str, value: &str) -> Option<String> {
    if !CLAIMS.contains(&name) && !name.starts_with(PROPERTY) {
        let near = CLAIMS.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
        return Some(format!("GitHub sends no claim `{name}`; did you mean `{}`?", near.copied().unwrap_or("repository_id")));
    }
    // Workflows and environments are named freely.
    if value.contains('*') && !matches!(name, "workflow" | "environment") && !name.starts_with(PROPERTY) {
        return Some(format!("`{name}={value}` is taken to the letter, and no value has a `*`; write one whole value"));
    }
    let right = form(name, value)?;
    Some(format!("`{name}={value}` is never sent; {right}"))
}

/// What a claim's value looks like, where this one does not.
fn form(name: &str, value: &str) -> Option<&'static str> {
    let one_of = |known: &[&str]| known.contains(&value);
    let (is_right, right) = match name {
        "repository_id"
        | "repository_owner_id"
        | "actor_id"
        | "enterprise_id"
        | "run_id"
        | "run_number"
        | "run_attempt"
        | "check_run_id" => (value.bytes().all(|byte| byte.is_ascii_digit()), "it is a number, like `42`"),
        "repository" => (
            value.split('/').count() == 2 && value.split('/').all(|part| !part.is_empty()),
            "it is an owner and a name, like `acme/api`",
        ),
        "repository_owner" | "actor" => (!value.contains('/'), "it is a login, like `acme`"),
        "ref" => (is_full_ref(value), "a ref is written in full, like `refs/heads/main`"),
        "ref_type" => (one_of(&["branch", "tag"]), "it is `branch` or `tag`"),
        "ref_protected" => (one_of(&["true", "false"]), "it is `true` or `false`"),
        "repository_visibility" => (one_of(&["public", "private", "internal"]), "it is `public`, `private` or `internal`"),
        "runner_environment" => (one_of(&["github-hosted", "self-hosted"]), "it is `github-hosted` or `self-hosted`"),
        "event_name" => (
            value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "it is an event as the workflow names it, like `workflow_dispatch`",
        ),
        "workflow_ref" | "job_workflow_ref" => (
            value.contains("/.github/workflows/") && value.split_once('@').is_some_and(|(_, at)| is_full_ref(at) || is_sha(at)),
            "it is like `acme/api/.github/workflows/deploy.yml@refs/heads/main`",
        ),
        "sha" | "workflow_sha" | "job_workflow_sha" => (is_sha(value), "it is a commit's 40 hexadecimal digits in lower case"),
        "jti" | "exp" | "iat" | "nbf" => (false, "it is another in every token"),
        _ => return None,
    };
    (!is_right).then_some(right)
}

fn is_full_ref(value: &str) -> bool {
    let rest = ["refs/heads/", "refs/tags/", "refs/pull/"].iter().find_map(|beginning| value.strip_prefix(beginning));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains([' ', '~', '^', ':', '?', '*', '[', '\\']))
}

fn is_sha(value: &str) -> bool {
    value.len() == 40 && value.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_sends_is_never_called_impossible() {
        for (name, value) in [
            ("repository_id", "42"),
            ("repository", "acme/api"),
            ("repository_owner", "acme"),
            ("ref", "refs/heads/release/1.2"),
            ("ref", "refs/tags/v1"),
            ("ref", "refs/pull/7/merge"),
            ("environment", "production *"),
            ("workflow", "Build * and test"),
            ("event_name", "workflow_dispatch"),
            ("runner_environment", "self-hosted"),
            ("job_workflow_ref", "acme/ci/.github/workflows/deploy.yml@refs/heads/main"),
            ("sha", "0123456789abcdef0123456789abcdef01234567"),
            ("sub", "repo:acme/api:environment:production"),
            ("repo_property_team", "platform"),
        ] {
            assert_eq!(never_shown(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn what_github_never_sends_is_told_of_with_what_to_write() {
        for (name, value, why) in [
            ("repositoryid", "42", "did you mean `repository_id`?"),
            ("branch", "main", "GitHub sends no claim `branch`"),
            ("ref", "refs/heads/*", "taken to the letter"),
            ("repository", "acme/*", "taken to the letter"),
            ("ref", "main", "like `refs/heads/main`"),
            ("ref", "refs/heads/", "like `refs/heads/main`"),
            ("repository_id", "acme/api", "a number"),
            ("repository", "api", "an owner and a name"),
            ("repository", "https://github.com/acme/api", "an owner and a name"),
            ("repository_owner", "acme/", "a login"),
            ("event_name", "Push", "as the workflow names it"),
            ("ref_type", "heads", "`branch` or `tag`"),
            ("runner_environment", "ubuntu-latest", "`github-hosted` or `self-hosted`"),
            ("workflow_ref", "deploy.yml", ".github/workflows/deploy.yml@refs/heads/main"),
            ("sha", "0123456", "40 hexadecimal digits"),
            ("exp", "1", "another in every token"),
        ] {
            assert!(never_shown(name, value).is_some_and(|said| said.contains(why)), "{name}={value}");
        }
    }
}
