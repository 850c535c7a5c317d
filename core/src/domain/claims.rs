//! What a workflow's token claims, and which claims a member's identity asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::claim_forms::never_shown;
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
    /// No identity's claims are all there. How the token differs from the nearest one, if there is one of this repository or owner:
    /// no other caller is told what is asked for.
    None(Vec<ClaimDifference>),
    /// The claims are those of several members.
    Several(Vec<MemberName>),
}

/// A claim of a token that an identity asks for with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimDifference {
    /// The claim.
    pub name: String,
    /// What the identity asks for.
    pub asked: String,
    /// What the token has, if it has the claim.
    pub shown: Option<String>,
}

impl fmt::Display for ClaimDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, asked, shown } = self;
        match shown {
            Some(shown) => write!(f, "`{name}` has to be `{asked}`, and the token has `{shown}`"),
            None if name == "environment" => {
                write!(f, "`environment` has to be `{asked}`, and the token has none: give the job `environment: {asked}`")
            }
            None => write!(f, "`{name}` has to be `{asked}`, and the token has none"),
        }
    }
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
        self.differences(claims).next().is_none()
    }

    /// The claims that a token lacks, or has with another value.
    pub fn differences(&self, claims: &Claims) -> impl Iterator<Item = ClaimDifference> {
        let differing = self.0.iter().filter(|(name, value)| claims.get(name) != Some(value));
        differing.map(|(name, asked)| {
            let shown = claims.get(name).map(str::to_owned);
            ClaimDifference { name: name.clone(), asked: asked.clone(), shown }
        })
    }

    /// Why no token of GitHub's ever has all of these, if none does.
    pub fn never_matches(&self) -> Option<String> {
        let twice = self.0.iter().enumerate().find_map(|(at, (name, value))| {
            let other = self.0[..at].iter().find(|(earlier, other)| earlier == name && other != value)?;
            Some(format!("`{name}` cannot be `{}` and `{value}` at once; write one identity for each", other.1))
        });
        twice.or_else(|| self.0.iter().find_map(|(name, value)| never_shown(name, value)))
    }

    /// Whether the token is of the repository or owner that this asks for.
    fn is_of_the_same(&self, claims: &Claims) -> bool {
        self.0.iter().filter(|(name, _)| PINS.contains(&name.as_str())).all(|(name, value)| claims.get(name) == Some(value))
    }
}

impl fmt::Display for ClaimPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&pairs.join(";"))
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
    /// How a workflow's claims differ from those of the identity that takes the fewest others, of those of its repository or owner.
    fn nearest_to(&self, claims: &Claims) -> Vec<ClaimDifference> {
        let near = self.claim_patterns().filter(|(_, pattern)| pattern.is_of_the_same(claims));
        near.map(|(_, pattern)| pattern.differences(claims).collect::<Vec<_>>()).min_by_key(Vec::len).unwrap_or_default()
    }

    /// The identities that no workflow can ever have: each with its member, why, and what to write.
    pub fn patterns_that_never_match(&self) -> Vec<String> {
        let why = |(member, pattern): (&MemberName, ClaimPattern)| {
            let why = pattern.never_matches()?;
            Some(format!("member {member}: identities: no workflow can ever have `github:{pattern}`: {why}"))
        };
        self.claim_patterns().filter_map(why).collect()
    }

    fn claim_patterns(&self) -> impl Iterator<Item = (&MemberName, ClaimPattern)> {
        let all = self.members.values().flat_map(|member| member.identities.iter().map(move |identity| (&member.name, identity)));
        all.filter_map(|(member, identity)| match identity {
            Identity::Github(pattern) => Some((member, pattern.parse().ok()?)),
            _ => None,
        })
    }

    /// The identity that a workflow with these claims has; it must be one member's alone.
    pub fn identity_of_workflow(&self, claims: &Claims) -> Result<Identity, NoMember> {
        let is_met = |identity: &&Identity| match identity {
            Identity::Github(pattern) => pattern.parse::<ClaimPattern>().is_ok_and(|pattern| pattern.is_met_by(claims)),
            _ => false,
        };
        let met = self.members.values().filter_map(|member| Some((member, member.identities.iter().find(is_met)?)));
        match met.collect::<Vec<_>>().as_slice() {
            [] => Err(NoMember::None(self.nearest_to(claims))),
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
    fn what_differs_is_told_and_what_can_never_match_too() {
        let pattern: ClaimPattern = "repository_id=42;environment=production;ref=refs/heads/main".parse().unwrap();
        let token = claims(&[("repository_id", "42"), ("ref", "refs/heads/topic")]);
        let said: Vec<_> = pattern.differences(&token).map(|difference| difference.to_string()).collect();
        assert_eq!(
            said,
            [
                "`environment` has to be `production`, and the token has none: give the job `environment: production`",
                "`ref` has to be `refs/heads/main`, and the token has `refs/heads/topic`",
            ]
        );
        assert!(pattern.is_of_the_same(&token) && !pattern.is_of_the_same(&claims(&[("environment", "production")])));
        assert_eq!(pattern.never_matches(), None);
        for (never, why) in [
            ("repository_id=42;ref=refs/heads/*", "taken to the letter"),
            ("repository_id=42;ref=refs/heads/a;ref=refs/heads/b", "cannot be `refs/heads/a` and `refs/heads/b` at once"),
        ] {
            let said = never.parse::<ClaimPattern>().unwrap().never_matches().unwrap();
            assert!(said.contains(why), "{said}");
        }
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
