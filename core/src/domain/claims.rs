//! What a workflow's token claims, and which claims a member's identity asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Directory, Identity, MemberName};

/// What a token claims, once its signature holds: names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<String, String>);

/// The claims that an identity asks for: all of them, each with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPattern(Vec<(String, String)>);

/// Why a text asks for no claims, or for too few.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimPatternError {
    /// Not `NAME=VALUE;NAME=VALUE`.
    #[error("`{0}` is not a claim; write NAME=VALUE, and `;` between several")]
    Malformed(String),
    /// A workflow of anybody's could show these.
    #[error(
        "these claims do not say whose workflow it is, so anybody's could show them; add `repository_id=…` \
         (or `repository`, `repository_owner_id`, `repository_owner`)"
    )]
    Anybodys,
}

/// One attempt at running a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkflowRun {
    /// The repository's id.
    pub repository: u64,
    /// The run's id.
    pub run: u64,
    /// Which attempt at it.
    pub attempt: u64,
}

/// Why a workflow is no member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoMember {
    /// No identity's claims are all there.
    None,
    /// The claims are those of several members.
    Several(Vec<MemberName>),
}

/// Claims that say whose workflow it is. Others could be made true in a repository of one's own.
const PINS: [&str; 4] = ["repository", "repository_id", "repository_owner", "repository_owner_id"];

impl Claims {
    /// Claims of a verified token.
    pub fn new(claims: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(claims.into_iter().collect())
    }

    /// The run whose token it is.
    pub fn run(&self) -> Option<WorkflowRun> {
        let number = |name| self.get(name)?.parse().ok();
        Some(WorkflowRun { repository: number("repository_id")?, run: number("run_id")?, attempt: number("run_attempt")? })
    }

    /// One claim's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Display for WorkflowRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.repository, self.run, self.attempt)
    }
}

impl ClaimPattern {
    /// Whether a token shows all of them.
    pub fn is_met_by(&self, claims: &Claims) -> bool {
        self.0.iter().all(|(name, value)| claims.get(name) == Some(value))
    }
}

impl FromStr for ClaimPattern {
    type Err = ClaimPatternError;

    fn from_str(text: &str) -> Result<Self, ClaimPatternError> {
        let pair = |part: &str| {
            let malformed = || ClaimPatternError::Malformed(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(malformed)?;
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if is_name && !value.is_empty() { Ok((name.to_owned(), value.to_owned())) } else { Err(malformed()) }
        };
        let pairs = text.split(';').map(pair).collect::<Result<Vec<_>, _>>()?;
        if pairs.iter().any(|(name, _)| PINS.contains(&name.as_str())) {
            Ok(Self(pairs))
        } else {
            Err(ClaimPatternError::Anybodys)
        }
    }
}

impl Directory {
    /// The identity that a workflow with these claims has; it must be one member's alone.
    pub fn identity_of_workflow(&self, claims: &Claims) -> Result<Identity, NoMember> {
        let is_met = |identity: &&Identity| match identity {
            Identity::Github(pattern) => pattern.parse::<ClaimPattern>().is_ok_and(|pattern| pattern.is_met_by(claims)),
            _ => false,
        };
        let met = self.members.values().filter_map(|member| Some((member, member.identities.iter().find(is_met)?)));
        match met.collect::<Vec<_>>().as_slice() {
            [] => Err(NoMember::None),
            [(_, identity)] => Ok((*identity).clone()),
            several => Err(NoMember::Several(several.iter().map(|(member, _)| member.name.clone()).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(pairs: &[(&str, &str)]) -> Claims {
        Claims::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn all_claims_have_to_match_to_the_letter() {
        let pattern: ClaimPattern = "repository_id=42;environment=production".parse().unwrap();
        assert!(pattern.is_met_by(&claims(&[("repository_id", "42"), ("environment", "production"), ("ref", "x")])));
        assert!(!pattern.is_met_by(&claims(&[("repository_id", "42")])));
        assert!(!pattern.is_met_by(&claims(&[("repository_id", "42"), ("environment", "Production")])));
        assert!(!pattern.is_met_by(&claims(&[("repository_id", "420"), ("environment", "production")])));
    }

    #[test]
    fn claims_that_anybodys_workflow_could_show_are_refused() {
        for text in ["environment=production", "ref=refs/heads/main", "actor=ana;workflow=Deploy"] {
            assert_eq!(text.parse::<ClaimPattern>(), Err(ClaimPatternError::Anybodys), "{text}");
        }
        for text in ["", "repository", "repository=", "=acme/api", "repository=acme/api;", "re pository=x"] {
            assert!(matches!(text.parse::<ClaimPattern>(), Err(ClaimPatternError::Malformed(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn one_more_claim_that_is_asked_for_never_lets_more_workflows_in(
            token in prop::collection::btree_map("[a-d]", "[x-z]", 0..4),
            asked in prop::collection::vec(("[a-d]", "[x-z]"), 0..3),
            (name, value) in ("[a-d]", "[x-z]"),
        ) {
            let token = Claims::new(token);
            let fewer = ClaimPattern(asked.clone());
            let more = ClaimPattern(asked.into_iter().chain([(name, value)]).collect());
            prop_assert!(!more.is_met_by(&token) || fewer.is_met_by(&token));
        }
    }
}
