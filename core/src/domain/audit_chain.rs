//! The audit log's chain of hashes: whoever changes, removes or adds an entry breaks it for good.

use sha2::{Digest, Sha256};

/// What the hash is of: a later way to write an entry down gets another line here.
const FORM: &str = "entryguard audit v1";

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainedEvent {
    /// Its place, counted from 1.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// Through what.
    pub surface: Option<String>,
    /// What.
    pub action: String,
    /// To which session.
    pub session: Option<String>,
    /// The facts, as JSON.
    pub details: String,
    /// The hash of the entry before it; empty for the first.
    pub prev_hash: String,
    /// Its own.
    pub hash: String,
}

/// Where a chain ends: what can be noted down elsewhere, and compared later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The place of the last entry.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainBroken {
    /// An entry is not as it was written.
    #[error("entry {0} is not as it was written")]
    Altered(i64),
    /// An entry does not follow the one before it.
    #[error("entry {seq} does not follow entry {after}: what was between them is missing, or was put there later")]
    Unlinked {
        /// The entry.
        seq: i64,
        /// The one before it.
        after: i64,
    },
    /// The log ends before its head.
    #[error("the log ends at entry {found}, and its head is entry {head}: the end was cut off or changed")]
    Cut {
        /// The last entry.
        found: i64,
        /// What the head says.
        head: i64,
    },
    /// What was noted down is not in the log.
    #[error("entry {0} is not the one that was noted down")]
    AnchorUnknown(i64),
}

/// Checks entries one after the other.
#[derive(Clone, Debug)]
pub struct ChainCheck {
    last: Anchor,
    entries: u64,
    expected: Option<Anchor>,
}

impl ChainedEvent {
    /// The hash of all the rest. Every field is written with its length, so that no two entries are written alike.
    pub fn expected_hash(&self) -> String {
        let mut hasher = Sha256::new();
        let (seq, at) = (self.seq.to_string(), self.at.to_string());
        let always = [FORM, &self.prev_hash, &seq, &self.id, &at, &self.actor, &self.action, &self.details];
        let fields = always.map(Some).into_iter().chain([self.surface.as_deref(), self.session.as_deref()]);
        for field in fields {
            hasher.update([u8::from(field.is_some())]);
            let text = field.unwrap_or_default();
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hex::encode(hasher.finalize())
    }

    /// The anchor that this entry is.
    pub fn anchor(&self) -> Anchor {
        Anchor { seq: self.seq, hash: self.hash.clone() }
    }
}

impl ChainCheck {
    /// Begins before the entry `from`, whose predecessor has this hash. `expected` was noted down, and has to come by.
    pub fn new(from: i64, prev_hash: &str, expected: Option<Anchor>) -> Self {
        Self { last: Anchor { seq: from - 1, hash: prev_hash.to_owned() }, entries: 0, expected }
    }

    /// Checks the next entry.
    pub fn next(&mut self, event: &ChainedEvent) -> Result<(), ChainBroken> {
        if event.seq != self.last.seq + 1 || event.prev_hash != self.last.hash {
            return Err(ChainBroken::Unlinked { seq: event.seq, after: self.last.seq });
        }
        if event.hash != event.expected_hash() {
            return Err(ChainBroken::Altered(event.seq));
        }
        self.last = event.anchor();
        self.entries += 1;
        if let Some(expected) = self.expected.take_if(|expected| expected.seq == event.seq)
            && expected.hash != event.hash
        {
            return Err(ChainBroken::AnchorUnknown(event.seq));
        }
        Ok(())
    }

    /// Checks that it ends where the head says, and that what was noted down came by; how many entries there were, and the last.
    pub fn end(self, head: Option<&Anchor>) -> Result<(u64, Anchor), ChainBroken> {
        match (head, self.expected) {
            (Some(head), _) if *head != self.last => Err(ChainBroken::Cut { found: self.last.seq, head: head.seq }),
            (_, Some(expected)) => Err(ChainBroken::AnchorUnknown(expected.seq)),
            _ => Ok((self.entries, self.last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(length: i64) -> Vec<ChainedEvent> {
        let mut hash = String::new();
        (1..=length)
            .map(|seq| {
                let mut event = ChainedEvent {
                    seq,
                    id: format!("id-{seq}"),
                    at: 1_700_000_000_000 + seq,
                    actor: "ana".into(),
                    surface: (seq % 2 == 0).then(|| "slack".to_owned()),
                    action: "session.started".into(),
                    session: (seq % 3 == 0).then(|| format!("session-{seq}")),
                    details: format!(r#"{{"n":{seq}}}"#),
                    prev_hash: hash.clone(),
                    hash: String::new(),
                };
                event.hash = event.expected_hash();
                hash.clone_from(&event.hash);
                event
            })
            .collect()
    }

    fn check(log: &[ChainedEvent], head: &Anchor, expected: Option<Anchor>) -> Result<(u64, Anchor), ChainBroken> {
        let mut check = ChainCheck::new(1, "", expected);
        log.iter().try_for_each(|event| check.next(event))?;
        check.end(Some(head))
    }

    #[test]
    fn a_log_that_nobody_has_touched_is_whole() {
        let log = log(7);
        let head = log[6].anchor();
        assert_eq!(check(&log, &head, Some(log[3].anchor())), Ok((7, head.clone())));
        assert_eq!(check(&[], &Anchor { seq: 0, hash: String::new() }, None).unwrap().0, 0);
    }

    #[test]
    fn a_log_that_was_written_anew_does_not_have_what_was_noted_down() {
        let (old, mut anew) = (log(7), log(7));
        anew[0].actor = "bo".into();
        for index in 0..anew.len() {
            anew[index].prev_hash = index.checked_sub(1).map(|before| anew[before].hash.clone()).unwrap_or_default();
            anew[index].hash = anew[index].expected_hash();
        }
        let head = anew[6].anchor();
        assert!(check(&anew, &head, None).is_ok(), "the chain itself is whole");
        assert_eq!(check(&anew, &head, Some(old[3].anchor())), Err(ChainBroken::AnchorUnknown(4)));
    }

    fn change(event: &mut ChainedEvent, field: usize) {
        match field {
            0 => event.id.push('x'),
            1 => event.at += 1,
            2 => event.actor.push('x'),
            3 => event.surface = event.surface.take().map_or_else(|| Some(String::new()), |_| None),
            4 => event.action.push('x'),
            5 => event.session = event.session.take().map_or_else(|| Some(String::new()), |_| None),
            6 => event.details.push(' '),
            7 => event.prev_hash.push('0'),
            8 => event.hash.push('0'),
            _ => event.seq += 1,
        }
    }

    proptest! {
        #[test]
        fn every_change_of_a_log_is_found(length in 2_i64..9, at in 0_usize..8, field in 0_usize..10, what in 0_u8..4) {
            let mut tampered = log(length);
            let (head, at) = (tampered.last().unwrap().anchor(), at % tampered.len());
            match what {
                0 => change(&mut tampered[at], field),
                1 => drop(tampered.remove(at)),
                2 => tampered.insert(at, tampered[at].clone()),
                _ => { let other = (at + 1) % tampered.len(); tampered.swap(at, other); }
            }
            prop_assert!(check(&tampered, &head, None).is_err());
        }
    }
}
