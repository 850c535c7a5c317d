//! What a program may do with what it shows.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One thing that a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See sessions.
    SessionsRead,
    /// Start, stop and extend sessions; seeing them is another scope.
    SessionsWrite,
    /// See resources.
    ResourcesRead,
    /// Read the audit log.
    AuditRead,
}

/// What a program may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

/// Why a text names no scopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope; give some of sessions:read, sessions:write, resources:read, audit:read, with commas between them")]
pub struct NoScope(String);

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::SessionsRead, Self::SessionsWrite, Self::ResourcesRead, Self::AuditRead];

    /// The scope's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::ResourcesRead => "resources:read",
            Self::AuditRead => "audit:read",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Scopes {
    /// Whatever a member may do.
    pub fn all() -> Self {
        Self(Scope::ALL.into())
    }

    /// These alone.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().copied().collect())
    }

    /// Those of each of several.
    pub fn union(several: &[Self]) -> Self {
        Self(several.iter().flat_map(Self::iter).collect())
    }

    /// Whether this is among them.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl FromStr for Scopes {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let scope = |word: &str| {
            let word = word.trim();
            Scope::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or_else(|| NoScope(word.to_owned()))
        };
        text.split(',').map(scope).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Scope::as_str).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written_and_writing_is_not_reading() {
        let scopes: Scopes = "sessions:write, audit:read".parse().unwrap();
        assert_eq!(scopes.to_string().parse(), Ok(scopes.clone()));
        assert!(scopes.has(Scope::SessionsWrite) && !scopes.has(Scope::SessionsRead));
        let several = ["sessions:write", "audit:read,sessions:write"].map(|text| text.parse().unwrap());
        assert_eq!(Scopes::union(&several), scopes);
        for text in ["", "sessions", "sessions:read,", "sessions:admin", "*"] {
            assert!(text.parse::<Scopes>().is_err(), "{text}");
        }
    }
}
