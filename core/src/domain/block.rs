//! Why a resource refuses additions for now, and when one of them is tried again. The resource remembers it, not each opening that
//! waits: one probe serves thousands of them.

use super::{HostAddress, ResourceName, Span, Timestamp};

/// After so many refusals, people are told even of what may pass by itself.
const QUIET_ATTEMPTS: u32 = 3;

/// An address family. Providers count their quotas for each (EC2: rules per security group and family).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockCause {
    /// The list is full.
    Quota,
    /// The resource does not exist.
    Missing,
    /// The credential may not change it.
    Denied,
    /// What reads the list does not take changes.
    NotInForce,
    /// The provider does not answer.
    Unreachable,
    /// The provider refuses for another reason, which may be that of one addition alone.
    Rejected,
    /// This machine cannot do it: a file cannot be written, credentials cannot be read.
    Local,
}

/// A refusal that belongs to the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind.
    pub cause: BlockCause,
    /// The reason, for people.
    pub reason: String,
}

/// What a pass tried to add on one resource, for one family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    /// When its outcome is recorded.
    pub at: Timestamp,
    /// Openings that are there now.
    pub added: u32,
    /// Openings that are not.
    pub refused: u32,
    /// Whether the pass tried one opening alone: then its refusal says that not one fits.
    pub alone: bool,
    /// Openings that one call of the provider adds.
    pub per_call: u32,
    /// The most openings that one pass adds.
    pub at_most: u32,
    /// Rules of the family on the list, where it could be read.
    pub rules_seen: Option<u32>,
    /// From 0 to 1: spreads the probes of many resources.
    pub jitter: f64,
}

/// What a resource remembers of refusals, for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The resource.
    pub resource: ResourceName,
    /// The family that is refused.
    pub family: AddressFamily,
    /// What kind of refusal.
    pub cause: BlockCause,
    /// The reason, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When the next additions are tried.
    pub probe_at: Timestamp,
    /// How often in a row a probe was refused.
    pub attempts: u32,
    /// How many openings are tried then.
    pub batch: u32,
    /// So many openings do not fit, as far as that is known.
    pub fewer_than: Option<u32>,
    /// How many rules of the family the list had when it refused.
    pub rules_seen: Option<u32>,
    /// Whether rules of waiting sessions may not show the reason yet.
    pub untold: bool,
}

impl AddressFamily {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub const fn of(address: HostAddress) -> Self {
        if address.ip().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// 4 or 6.
    pub const fn number(self) -> i64 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// The family of that number.
    pub fn numbered(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.number() == number)
    }
}

impl BlockCause {
    /// Every cause.
    pub const ALL: [Self; 7] =
        [Self::Quota, Self::Missing, Self::Denied, Self::NotInForce, Self::Unreachable, Self::Rejected, Self::Local];

    /// The cause's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::NotInForce => "not_in_force",
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
            Self::Local => "local",
        }
    }

    /// The cause of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }

    /// Whether each waiting opening would be refused alike, so that the oldest is tried. Otherwise the refused ones wait by
    /// themselves too, and the next probe tries another: one bad addition must not hold back the rest.
    pub const fn refuses_all_alike(self) -> bool {
        matches!(self, Self::Quota | Self::Missing | Self::Denied | Self::NotInForce)
    }

    /// The wait after the first refusal, and the longest one. A full list stays full until something is removed, which is noticed
    /// by other means; the rest may pass sooner. A probe is two calls (add and read), so waits of two minutes for each of two
    /// families keep a full resource at two calls a minute.
    const fn waits(self) -> (Span, Span) {
        match self {
            Self::Quota => (Span::from_minutes(2), Span::from_minutes(5)),
            Self::Missing | Self::Denied | Self::NotInForce => (Span::from_seconds(2), Span::from_minutes(5)),
            Self::Unreachable | Self::Rejected | Self::Local => (Span::from_seconds(1), Span::from_minutes(1)),
        }
    }

    /// The wait after so many refusals: doubled each time, and up to a quarter longer.
    fn wait(self, attempts: u32, jitter: f64) -> Span {
        let (first, longest) = self.waits();
        let doubled = first.as_millis().saturating_mul(1 << attempts.saturating_sub(1).min(20));
        let full = doubled.min(longest.as_millis());
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a time far below 2^53 milliseconds")]
        let jittered = (full as f64 * (1.0 + jitter.clamp(0.0, 1.0) / 4.0)) as i64;
        Span::from_millis(jittered)
    }
}

impl Block {
    /// The block that a first refusal makes.
    pub fn begun(resource: ResourceName, family: AddressFamily, refusal: Refusal, attempt: Attempt) -> Self {
        let Refusal { cause, reason } = refusal.clone();
        let at = attempt.at;
        let mut block = Self {
            resource,
            family,
            cause,
            reason,
            since: at,
            probe_at: at,
            attempts: 0,
            batch: 1,
            fewer_than: None,
            rules_seen: None,
            untold: false,
        };
        block.refused(refusal, attempt);
        block.untold = block.is_loud();
        block
    }

    /// Whether people are told. What may pass by itself is given some tries first.
    pub const fn is_loud(&self) -> bool {
        !matches!(self.cause, BlockCause::Unreachable) || self.attempts >= QUIET_ATTEMPTS
    }

    /// Additions were refused. A batch that does not fit is halved at once, until one alone is refused: then the resource waits.
    pub fn refused(&mut self, refusal: Refusal, attempt: Attempt) {
        let was_told = self.is_loud() && self.cause == refusal.cause;
        if self.cause != refusal.cause {
            (self.cause, self.reason, self.since, self.attempts) = (refusal.cause, refusal.reason, attempt.at, 0);
        }
        self.rules_seen = attempt.rules_seen.or(self.rules_seen);
        if self.cause == BlockCause::Quota && !attempt.alone {
            // One call was refused: what it carried did not fit. Two at the least, for one alone has not been tried.
            let did_not_fit = attempt.refused.min(attempt.per_call).max(2);
            (self.fewer_than, self.batch, self.probe_at) = (Some(did_not_fit), did_not_fit / 2, attempt.at);
        } else {
            self.attempts = self.attempts.saturating_add(1);
            self.wait(attempt);
        }
        self.untold |= self.is_loud() && !was_told;
    }

    /// Additions were accepted; whether the block stays, because others wait that may not fit.
    #[must_use]
    pub fn accepted(&mut self, attempt: Attempt, others_wait: bool) -> bool {
        if self.cause != BlockCause::Quota || !others_wait {
            return false;
        }
        match self.fewer_than.map(|bound| bound.saturating_sub(attempt.added)) {
            // The room that was known is used up.
            Some(0 | 1) => self.wait(attempt),
            Some(bound) => {
                (self.fewer_than, self.batch, self.probe_at) = (Some(bound), (bound / 2).max(1), attempt.at);
            }
            // How much room there is is unknown: twice as many are tried, until some are refused.
            None => {
                let twice = self.batch.max(attempt.added).saturating_mul(2);
                (self.batch, self.probe_at) = (twice.min(attempt.at_most).max(1), attempt.at);
            }
        }
        true
    }

    /// A probe ended without an answer to its question: it is asked again soon, and not at once.
    pub fn unanswered(&mut self, attempt: Attempt) {
        self.probe_at = attempt.at.plus(BlockCause::Denied.wait(1, attempt.jitter));
    }

    /// The list was read, or removals from it were recorded. Where it differs from the list that refused, additions are tried at
    /// once: as many as there is room for.
    pub fn looked_at(&mut self, rules_seen: Option<u32>, removed: u32, parts: u32, at_most: u32, at: Timestamp) {
        let before = self.rules_seen.zip(rules_seen);
        if self.cause == BlockCause::Quota {
            let fewer = before.map_or(0, |(before, now)| before.saturating_sub(now)) / parts.max(1);
            let room = fewer.max(removed);
            if room == 0 {
                return;
            }
            let bound = self.fewer_than.unwrap_or(0).max(room.saturating_add(1));
            (self.fewer_than, self.batch) = (Some(bound), (bound - 1).min(at_most).max(1));
        } else if before.is_none_or(|(before, now)| before == now) && removed == 0 {
            return;
        } else {
            // The next difference is one from here.
            self.rules_seen = rules_seen.or(self.rules_seen);
        }
        self.probe_at = self.probe_at.min(at);
    }

    /// One alone is tried after the wait.
    fn wait(&mut self, attempt: Attempt) {
        (self.batch, self.fewer_than) = (1, None);
        self.probe_at = attempt.at.plus(self.cause.wait(self.attempts.max(1), attempt.jitter));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn refusal(cause: BlockCause) -> Refusal {
        Refusal { cause, reason: cause.as_str().to_owned() }
    }

    fn attempt(added: u32, refused: u32) -> Attempt {
        let alone = added + refused == 1;
        Attempt { at: NOW, added, refused, alone, per_call: 6, at_most: 60, rules_seen: Some(60), jitter: 0.0 }
    }

    fn full() -> Block {
        Block::begun(ResourceName::new("bastion").unwrap(), AddressFamily::V4, refusal(BlockCause::Quota), attempt(0, 1))
    }

    #[test]
    fn a_batch_that_does_not_fit_is_halved_at_once_and_one_alone_waits() {
        let begun = Block::begun(full().resource, AddressFamily::V4, refusal(BlockCause::Quota), attempt(0, 40));
        assert_eq!((begun.batch, begun.probe_at, begun.attempts), (3, NOW, 0), "a call carries six");
        let mut block = begun;
        block.refused(refusal(BlockCause::Quota), attempt(0, 3));
        assert_eq!((block.batch, block.probe_at), (1, NOW));
        block.refused(refusal(BlockCause::Quota), attempt(0, 1));
        assert_eq!((block.batch, block.probe_at.since(NOW)), (1, Span::from_minutes(2)));
        block.refused(refusal(BlockCause::Quota), attempt(0, 1));
        block.refused(refusal(BlockCause::Quota), attempt(0, 1));
        assert_eq!(block.probe_at.since(NOW), Span::from_minutes(5), "never longer, but for the jitter");
    }

    #[test]
    fn room_that_was_seen_is_used_without_a_further_refusal() {
        let mut block = full();
        block.looked_at(Some(57), 0, 1, 60, NOW);
        assert_eq!((block.batch, block.probe_at), (3, NOW));
        assert!(block.accepted(attempt(3, 0), true));
        assert_eq!(block.probe_at.since(NOW), Span::from_minutes(2), "it is full again");
        block.looked_at(Some(60), 0, 1, 60, NOW);
        assert_ne!(block.probe_at, NOW, "the same list says nothing new");
    }

    #[test]
    fn a_quota_that_was_raised_lets_in_ever_more_at_once() {
        let mut block = full();
        for batch in [2, 4, 8, 16, 32, 60, 60] {
            assert!(block.accepted(attempt(block.batch, 0), true));
            assert_eq!((block.batch, block.probe_at), (batch, NOW));
        }
        assert!(!block.accepted(attempt(60, 0), false), "nobody waits any more");
    }

    #[test]
    fn what_may_pass_by_itself_is_said_after_three_tries_and_the_rest_at_once() {
        let block = |cause| Block::begun(full().resource, AddressFamily::V4, refusal(cause), attempt(0, 1));
        assert!(
            BlockCause::ALL
                .into_iter()
                .filter(|cause| block(*cause).untold)
                .eq(BlockCause::ALL.into_iter().filter(|cause| *cause != BlockCause::Unreachable))
        );
        let mut away = block(BlockCause::Unreachable);
        away.refused(refusal(BlockCause::Unreachable), attempt(0, 1));
        assert!(!away.untold);
        away.refused(refusal(BlockCause::Unreachable), attempt(0, 1));
        assert!(away.untold);
    }

    proptest! {
        /// However much room there is, it is found and used in a few tries, and then the resource waits.
        #[test]
        fn all_the_room_is_found(room in 0_u32..80, seen in 0_u32..80, waiting in 1_u32..200, per_call in 1_u32..10) {
            let (mut block, mut left, mut waiting, mut tries) = (full(), room, waiting, 0);
            block.looked_at(Some(60 - seen.min(60)), 0, 1, 60, NOW);
            block.probe_at = NOW;
            while block.probe_at <= NOW {
                tries += 1;
                prop_assert!(tries < 40, "{block:?}");
                let asked = block.batch.min(waiting);
                // As EC2 does: a call is refused whole, and the calls after it are not made.
                let added = if asked <= left { asked } else { left / per_call * per_call };
                let tried = Attempt { per_call, alone: asked == 1, ..attempt(added, asked - added) };
                (left, waiting) = (left - added, waiting - added);
                match asked - added {
                    0 if !block.accepted(tried, waiting > 0) => break,
                    0 => {}
                    _ => block.refused(refusal(BlockCause::Quota), tried),
                }
            }
            // Where the list showed how much room there is, no more is looked for than that before the next probe.
            let used = room - left;
            prop_assert!(used >= room.min(used + waiting).min(seen.clamp(1, 60)), "{used} of {room}, {waiting} wait");
        }
    }
}
