//! One id type a thing, so that a mix-up does not compile.

use std::fmt;

use uuid::Uuid;

use super::Timestamp;
use crate::random::{self, Random};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// An id as it was stored, or as a provider gave it.
            pub fn from_stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A session.
    SessionId
);
text_id!(
    /// One session's wish for one address on one resource.
    SessionRuleId
);
text_id!(
    /// One instance of a real rule in the cloud.
    OpeningId
);
text_id!(
    /// An entry of the audit log.
    AuditId
);
text_id!(
    /// A panic: what was closed at once.
    PanicId
);
text_id!(
    /// What a chat shows of a session.
    PostId
);
text_id!(
    /// A one-time link.
    ConfirmationId
);
text_id!(
    /// A browser that is signed in.
    WebSessionId
);
text_id!(
    /// This installation: the owner that is written on every rule it makes.
    DeploymentId
);
text_id!(
    /// A rule's name in its provider's own words: `sgr-…`.
    ProviderRuleId
);

impl SessionId {
    /// A new id. Random from its first character on (UUIDv4, unlike the ids below), because people name a session by those.
    pub fn new(random: &dyn Random) -> Self {
        Self(uuid::Builder::from_random_bytes(random::bytes(random)).into_uuid().to_string())
    }

    /// What people call the session.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

macro_rules! made_in_order_of_time {
    ($($name:ident),*) => {
        $(impl $name {
            /// A new id (UUIDv7).
            pub fn new(now: Timestamp, random: &dyn Random) -> Self {
                Self(uuid_v7(now, random).to_string())
            }
        })*
    };
}

made_in_order_of_time!(SessionRuleId, OpeningId, AuditId, ConfirmationId, DeploymentId, PanicId, PostId, WebSessionId);

fn uuid_v7(now: Timestamp, random: &dyn Random) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(now.as_millis().unsigned_abs(), &random::bytes(random)).into_uuid()
}
