//! Names that people give in the configuration: members, roles, resources, credentials, schedules, webhooks, tiers.

use std::fmt;

use serde::Deserialize;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name: use 1 to 64 letters, digits, spaces and any of . _ - @ +")]
pub struct NameError(String);

// The characters are those that every provider's description and every chat's markup can show unescaped.
fn checked(text: String) -> Result<String, NameError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._-@+".contains(c);
    if text.trim() == text && (1..=64).contains(&text.len()) && text.chars().all(plain) { Ok(text) } else { Err(NameError(text)) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// A name, if it is one.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                checked(text.into()).map(Self)
            }

            /// The name's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A member's name.
    MemberName
);
name!(
    /// A role's name.
    RoleName
);
name!(
    /// A resource's name.
    ResourceName
);
name!(
    /// A credential's name.
    CredentialName
);
name!(
    /// A webhook's name.
    WebhookName
);
name!(
    /// A schedule's name.
    ScheduleName
);
name!(
    /// A tier's name.
    TierName
);
