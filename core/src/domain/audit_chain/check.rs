//! Checking a chain, an entry at a time, so that a long log never has to be in memory.

use super::{Anchor, AuditEntry, CHAIN_START, ChainHead};
use crate::domain::Timestamp;

/// A check that is under way: [`ChainCheck::see`] each entry in order, then [`ChainCheck::finish`].
#[derive(Debug)]
pub struct ChainCheck {
    head: Option<ChainHead>,
    expected: Option<Anchor>,
    first: Option<(i64, Timestamp)>,
    last: Option<(i64, Timestamp)>,
    last_hash: Option<String>,
    entries: u64,
    unchained: u64,
}

/// What is known of a chain that fits together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundChain {
    /// How many entries were seen.
    pub entries: u64,
    /// How many of them are older than the chain, and so vouched for by nothing.
    pub unchained: u64,
    /// The first entry's place and time.
    pub first: Option<(i64, Timestamp)>,
    /// The last entry's place and time.
    pub last: Option<(i64, Timestamp)>,
    /// What to note down elsewhere: the last entry's place and hash.
    pub head: Option<Anchor>,
}

/// The first entry that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} {fault}")]
pub struct ChainBreak {
    /// Its place.
    pub seq: i64,
    /// What does not fit.
    pub fault: ChainFault,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A gap in the numbers.
    #[error("is missing: the next that is there is {next}")]
    Missing {
        /// The entry after the gap.
        next: i64,
    },
    /// A number that was there already, or should have come before.
    #[error("is out of place: {expected} should stand there")]
    OutOfPlace {
        /// The number that should follow.
        expected: i64,
    },
    /// It is not what its hash was made of.
    #[error("was changed: its hash is not that of its content")]
    Changed,
    /// It names another hash than the entry before has.
    #[error("does not follow from the one before: either of the two was changed or replaced")]
    Unlinked,
    /// Its hash was taken away, or it was never written by EntryGuard.
    #[error("has no hash, though it is not older than the chain")]
    Unhashed,
    /// The log is shorter than its head says.
    #[error("is missing: the log ends before it, and its head says that {head} entries were written")]
    CutOff {
        /// The head's place.
        head: i64,
    },
    /// The log is longer than its head says.
    #[error("was not written by EntryGuard: the log's head says that {head} entries were written")]
    BeyondHead {
        /// The head's place.
        head: i64,
    },
    /// The last entry is another than the head's.
    #[error("is not the one that the log's head knows: the end of the log was rewritten, or the head was")]
    NotTheHead,
    /// The whole chain up to here may have been computed anew.
    #[error("has another hash than the one that was noted: the log was rewritten up to it, or is another one")]
    NotAsNoted,
    /// What was noted is not among what was checked.
    #[error("was noted, and is not there: the log was cut off or is another one, or the file has only a part of it")]
    NotedIsMissing,
}

impl ChainCheck {
    /// Of a whole log, from its first entry, with the head that it keeps apart.
    pub fn of_log(head: ChainHead) -> Self {
        Self { head: Some(head), ..Self::of_copy() }
    }

    /// Of what has come to a log since it was found sound.
    pub fn of_log_since(head: ChainHead, sound: &SoundChain) -> Self {
        let last_hash = sound.head.as_ref().map(|head| head.hash.clone());
        let SoundChain { entries, unchained, first, last, .. } = *sound;
        Self { first, last, last_hash, entries, unchained, ..Self::of_log(head) }
    }

    /// Of a copy of a log or of a part of it. That its end was cut off shows only by what is expected.
    pub fn of_copy() -> Self {
        Self { head: None, expected: None, first: None, last: None, last_hash: None, entries: 0, unchained: 0 }
    }

    /// With an entry that was noted elsewhere, and must be there.
    #[must_use]
    pub fn expecting(self, expected: Option<Anchor>) -> Self {
        Self { expected, ..self }
    }

    /// Takes the next entry.
    pub fn see(&mut self, entry: &AuditEntry) -> Result<(), ChainBreak> {
        self.check_place(entry.seq)?;
        self.check_hash(entry).map_err(|fault| ChainBreak { seq: entry.seq, fault })?;
        self.entries += 1;
        self.unchained += u64::from(entry.hash.is_none());
        self.first.get_or_insert((entry.seq, entry.at));
        self.last = Some((entry.seq, entry.at));
        self.last_hash.clone_from(&entry.hash);
        Ok(())
    }

    /// Compares the end with the head, and says what was seen.
    pub fn finish(self) -> Result<SoundChain, ChainBreak> {
        let end = self.last.map_or(0, |(seq, _)| seq);
        if let Some(head) = &self.head {
            if end < head.seq {
                return Err(ChainBreak { seq: end.saturating_add(1), fault: ChainFault::CutOff { head: head.seq } });
            }
            if head.hash != self.last_hash {
                return Err(ChainBreak { seq: end, fault: ChainFault::NotTheHead });
            }
        }
        if let Some(expected) = &self.expected
            && !self.first.is_some_and(|(first, _)| (first..=end).contains(&expected.seq))
        {
            return Err(ChainBreak { seq: expected.seq, fault: ChainFault::NotedIsMissing });
        }
        let head = self.last_hash.map(|hash| Anchor { seq: end, hash });
        Ok(SoundChain { entries: self.entries, unchained: self.unchained, first: self.first, last: self.last, head })
    }

    fn check_place(&self, seq: i64) -> Result<(), ChainBreak> {
        let next = self.last.map(|(last, _)| last.saturating_add(1)).or(self.head.is_some().then_some(1));
        let expected = next.unwrap_or(seq);
        if seq < expected {
            return Err(ChainBreak { seq, fault: ChainFault::OutOfPlace { expected } });
        }
        if let Some(head) = self.head.as_ref().filter(|head| seq > head.seq && seq == expected) {
            return Err(ChainBreak { seq, fault: ChainFault::BeyondHead { head: head.seq } });
        }
        if seq > expected {
            return Err(ChainBreak { seq: expected, fault: ChainFault::Missing { next: seq } });
        }
        Ok(())
    }

    fn check_hash(&self, entry: &AuditEntry) -> Result<(), ChainFault> {
        let chain_has_begun = match &self.head {
            Some(head) => entry.seq >= head.chained_from,
            None => self.last_hash.is_some(),
        };
        match (&entry.prev_hash, &entry.hash) {
            (None, None) if !chain_has_begun => {}
            (Some(prev_hash), Some(hash)) if chain_has_begun || self.head.is_none() => {
                if self.hash_before().is_some_and(|before| before != prev_hash) {
                    return Err(ChainFault::Unlinked);
                }
                if *hash != entry.computed_hash() {
                    return Err(ChainFault::Changed);
                }
            }
            (None, _) | (_, None) => return Err(ChainFault::Unhashed),
            (Some(_), Some(_)) => return Err(ChainFault::Unlinked),
        }
        let noted = self.expected.as_ref().filter(|expected| expected.seq == entry.seq);
        if noted.is_some_and(|noted| entry.hash.as_ref() != Some(&noted.hash)) {
            return Err(ChainFault::NotAsNoted);
        }
        Ok(())
    }

    /// What the next entry must name as the hash before it; a copy may begin in the middle, after anything.
    fn hash_before(&self) -> Option<&str> {
        let from_the_beginning = self.head.is_some() || self.last.is_some();
        self.last_hash.as_deref().or(from_the_beginning.then_some(CHAIN_START))
    }
}
