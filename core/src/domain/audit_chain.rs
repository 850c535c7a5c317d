//! The audit log's hash chain: an entry's hash covers the entry and the hash before it, so that none can be changed, removed, moved
//! or slipped in unseen. Whoever owns the database could compute the whole chain anew; against that helps an [`Anchor`] that was
//! noted elsewhere.

mod check;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

pub use check::{ChainBreak, ChainCheck, ChainFault, SoundChain};

use super::{AuditEvent, AuditId, SessionId, Surface, Timestamp};

/// What the first entry of a chain names as the hash before it.
pub const CHAIN_START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Tells these hashes from any other use of SHA-256, and this encoding from later ones.
const ENCODING: &str = "entryguard audit v1";

/// An entry as it stands in the log. Its fields are text: what is checked may be anything that somebody put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place in the log, from 1.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Where they acted.
    pub surface: Option<String>,
    /// What.
    pub action: String,
    /// To which session.
    pub session: Option<String>,
    /// The facts: JSON, exactly as it was written.
    pub details: String,
    /// The hash of the entry before; none in entries from before there were hashes.
    pub prev_hash: Option<String>,
    /// The hash of all of the above, in hexadecimal.
    pub hash: Option<String>,
}

/// The end of the log, kept apart from its entries, so that cutting some off shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The last entry's place.
    pub seq: i64,
    /// The last entry's hash; none as long as no entry has one.
    pub hash: Option<String>,
    /// The first entry that has a hash; those before are older than the chain.
    pub chained_from: i64,
}

/// An entry's place and hash: `SEQ:HASH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The place.
    pub seq: i64,
    /// The hash.
    pub hash: String,
}

/// Why a text is no anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not SEQ:HASH; give what `entryguard audit verify` printed, such as 42:9f86d0… (64 hexadecimal digits)")]
pub struct AnchorError(String);

impl AuditEntry {
    /// The entry for an event, after the one with this hash.
    pub fn chained(event: &AuditEvent, id: &AuditId, seq: i64, prev_hash: Option<String>) -> Self {
        let mut entry = Self {
            seq,
            id: id.as_str().to_owned(),
            at: event.at,
            actor: event.actor.name().to_owned(),
            surface: event.actor.surface().map(Surface::as_str).map(str::to_owned),
            action: event.action.as_str().to_owned(),
            session: event.session.as_ref().map(SessionId::as_str).map(str::to_owned),
            details: event.details.to_string(),
            prev_hash: Some(prev_hash.unwrap_or_else(|| CHAIN_START.to_owned())),
            hash: None,
        };
        entry.hash = Some(entry.computed_hash());
        entry
    }

    /// The hash that the entry's fields give.
    pub fn computed_hash(&self) -> String {
        let mut hash = Sha256::new();
        let (seq, at) = (self.seq.to_string(), self.at.as_millis().to_string());
        for field in [
            Some(ENCODING),
            self.prev_hash.as_deref(),
            Some(&seq),
            Some(&self.id),
            Some(&at),
            Some(&self.actor),
            self.surface.as_deref(),
            Some(&self.action),
            self.session.as_deref(),
            Some(&self.details),
        ] {
            // A mark and a length before each field: no two entries have the same bytes.
            match field {
                None => hash.update([0]),
                Some(text) => {
                    hash.update([1]);
                    hash.update((text.len() as u64).to_be_bytes());
                    hash.update(text.as_bytes());
                }
            }
        }
        hex::encode(hash.finalize())
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;

    fn from_str(text: &str) -> Result<Self, AnchorError> {
        let anchor = || {
            let (seq, hash) = text.trim().split_once(':')?;
            let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
            let hash = hash.to_ascii_lowercase();
            let is_hash = hash.len() == CHAIN_START.len() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hash.then_some(Self { seq, hash })
        };
        anchor().ok_or_else(|| AnchorError(text.to_owned()))
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

#[cfg(test)]
mod tests;
