//! What is open, as far as this replica knows, and what was accepted of it that the tags may not say: a stop, or a later end.
//!
//! 32 bytes a rule, and so 3.2 MB for 100,000: ids are kept as fingerprints. It learns from each pass that was recorded, and a few
//! resources at a time are read from the database every few seconds, which also finds what other replicas did.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::Reconciler;
use crate::domain::{Opening, OpeningState, ProviderRuleId, ResourceName, Timestamp};
use crate::provider::Allowlists;
use crate::store::{OpenRule, StoreError};

/// Rows that one refresh reads, and resources.
const ROWS: usize = 2000;
const RESOURCES: usize = 100;

/// What is open, by resource.
#[derive(Debug, Default)]
pub(in crate::reconcile) struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    resources: BTreeMap<ResourceName, Known>,
    // Counts what was learnt, so that what was read before does not overwrite it.
    learnt: u64,
}

#[derive(Debug, Default)]
struct Known {
    rules: Vec<KnownRule>,
    learnt_at: u64,
}

/// A rule of ours, or an opening none of whose rules was seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KnownRule {
    opening: u64,
    rule: u64,
    // Milliseconds since the epoch; the latest there is where the tag was not seen yet.
    tagged_until: i64,
    // Until when a session wanted it when a pass was recorded, where its tag says otherwise; or one of the two below.
    wanted_until: i64,
}

/// It is being removed. Nothing ever wants this opening again: see `OpeningState::after`.
const GOING: i64 = i64::MIN;
/// No pass of this process has found that it is wanted until another time than its tag says.
const UNKNOWN: i64 = i64::MIN + 1;

/// What is remembered of a rule beside its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    /// Nothing: the tag decides.
    Nothing,
    /// A stop was accepted: it is to go, whatever its tag says.
    Going,
    /// It was wanted until then: it is not to go before, though its tag could not be moved.
    WantedUntil(Timestamp),
}

impl KnownRule {
    fn end(&self) -> i64 {
        if self.wanted_until == GOING { 0 } else { self.tagged_until.max(self.wanted_until) }
    }

    const fn remembered(&self) -> Remembered {
        match self.wanted_until {
            GOING => Remembered::Going,
            UNKNOWN => Remembered::Nothing,
            until => Remembered::WantedUntil(Timestamp::from_millis(until)),
        }
    }
}

/// Where the next refresh begins: after this resource.
pub(super) type Place = Option<ResourceName>;

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a pass has made of an opening, after it was recorded, and until when it is wanted.
    pub(in crate::reconcile) fn learn(&self, opening: &Opening, wanted_until: Option<Timestamp>) {
        let mut state = self.state();
        state.learnt += 1;
        let learnt_at = state.learnt;
        let known = state.resources.entry(opening.resource.clone()).or_default();
        known.learnt_at = learnt_at;
        let of = fingerprint(opening.id.as_str());
        known.rules.retain(|rule| rule.opening != of);
        if opening.state != OpeningState::Gone {
            let rules = opening.our_rules().map(|held| &held.id);
            // Where the tag says the accepted end, the tag decides: operators may move it.
            let marked = opening.marked_until.map(Timestamp::as_seconds);
            let other_end = wanted_until.filter(|until| marked != Some(until.as_seconds()));
            let wanted = match opening.state {
                OpeningState::Removing => GOING,
                _ => other_end.map_or(UNKNOWN, Timestamp::as_millis),
            };
            known.rules.extend(known_rules(opening.id.as_str(), rules, opening.marked_until, wanted));
        }
    }

    /// What a list shows is open on a resource: the database's, or the provider's own.
    fn replace(&self, resource: &ResourceName, open: &[OpenRule], read_at: u64) {
        let mut state = self.state();
        let known = state.resources.entry(resource.clone()).or_default();
        if known.learnt_at <= read_at {
            let before = std::mem::take(&mut known.rules);
            known.rules.reserve_exact(open.len());
            known.extend(open, &before);
        }
    }

    /// What the provider itself shows is open on a resource. Rules that are known and that it does not list as ours have lost their tags
    /// or are gone, and are kept: a rule that lost its tag is told from a foreign one by that.
    pub(super) fn see(&self, resource: &ResourceName, open: &[OpenRule]) {
        let listed: Vec<_> = open.iter().flat_map(|open| &open.rules).map(|held| fingerprint(held.id.as_str())).collect();
        let mut state = self.state();
        let known = state.resources.entry(resource.clone()).or_default();
        let before = known.rules.clone();
        // Their ends count no more: nothing is to be done there at that time.
        known.rules.retain(|rule| rule.rule != 0 && !listed.contains(&rule.rule));
        known.rules.iter_mut().for_each(|rule| (rule.tagged_until, rule.wanted_until) = (i64::MAX, UNKNOWN));
        known.extend(open, &before);
    }

    /// What is remembered of a rule beside its tag.
    pub(super) fn says(&self, resource: &ResourceName, rule: &ProviderRuleId) -> Remembered {
        let rule = fingerprint(rule.as_str());
        let state = self.state();
        let known = state.resources.get(resource).and_then(|known| known.rules.iter().find(|known| known.rule == rule));
        known.map_or(Remembered::Nothing, KnownRule::remembered)
    }

    /// When the first tag on a resource is over; nothing where none is known.
    pub(super) fn first_end(&self, resource: &ResourceName) -> Option<Timestamp> {
        let state = self.state();
        let first = state.resources.get(resource)?.rules.iter().map(KnownRule::end).min()?;
        (first != i64::MAX).then(|| Timestamp::from_millis(first))
    }

    /// Whether a rule is one of ours, as far as is known.
    pub(super) fn knows(&self, resource: &ResourceName, rule: &ProviderRuleId) -> bool {
        let rule = fingerprint(rule.as_str());
        self.state().resources.get(resource).is_some_and(|known| known.rules.iter().any(|known| known.rule == rule))
    }

    /// How many rules are known.
    pub(super) fn len(&self) -> usize {
        self.state().resources.values().map(|known| known.rules.len()).sum()
    }

    fn learnt(&self) -> u64 {
        self.state().learnt
    }

    fn forget_others(&self, allowlists: &Allowlists) {
        self.state().resources.retain(|name, _| allowlists.contains_key(name));
    }
}

impl Known {
    /// Adds what a list shows, with what was remembered of it before.
    fn extend(&mut self, open: &[OpenRule], before: &[KnownRule]) {
        let wanted: HashMap<_, _> = before
            .iter()
            .filter(|rule| rule.wanted_until != UNKNOWN)
            .map(|rule| ((rule.opening, rule.rule), rule.wanted_until))
            .collect();
        for open in open {
            let rules = open.rules.iter().map(|held| &held.id);
            let stands = if open.is_going { GOING } else { UNKNOWN };
            for mut rule in known_rules(open.opening.as_str(), rules, open.tagged_until, stands) {
                if rule.wanted_until == UNKNOWN {
                    rule.wanted_until = wanted.get(&(rule.opening, rule.rule)).copied().unwrap_or(UNKNOWN);
                }
                self.rules.push(rule);
            }
        }
    }
}

impl Reconciler {
    /// Reads what is open on the next few resources; whether that was the last of them.
    pub(super) async fn refresh_memory(&self, place: &mut Place) -> Result<bool, StoreError> {
        let (allowlists, memory) = (self.allowlists(), &self.offline.memory);
        let read_at = memory.learnt();
        let mut tx = self.store.begin().await?;
        let after = place.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = 0;
        for (count, name) in allowlists.range((after, Bound::Unbounded)).map(|(name, _)| name).enumerate() {
            if count >= RESOURCES || rows >= ROWS {
                return Ok(false);
            }
            let open = tx.open_rules(name).await?;
            rows += open.len();
            memory.replace(name, &open, read_at);
            *place = Some(name.clone());
        }
        *place = None;
        memory.forget_others(&allowlists);
        Ok(true)
    }
}

fn known_rules<'a>(
    opening: &str,
    rules: impl Iterator<Item = &'a ProviderRuleId>,
    tagged_until: Option<Timestamp>,
    wanted_until: i64,
) -> impl Iterator<Item = KnownRule> {
    let opening = fingerprint(opening);
    let tagged_until = tagged_until.map_or(i64::MAX, Timestamp::as_millis);
    let mut rules = rules.map(|rule| fingerprint(rule.as_str())).collect::<Vec<_>>();
    if rules.is_empty() {
        // Perhaps there all the same, under an id that was not seen.
        rules.push(0);
    }
    rules.into_iter().map(move |rule| KnownRule { opening, rule, tagged_until, wanted_until })
}

/// Two of 100,000 ids share one once in a billion installations, and then a resource is read for nothing.
fn fingerprint(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{HeldRule, HostAddress, OpeningId, RuleOwner, RulePart};

    fn bastion() -> ResourceName {
        ResourceName::new("bastion").unwrap()
    }

    fn held(id: &str) -> HeldRule {
        HeldRule { id: ProviderRuleId::from_stored(id), part: RulePart("tcp 22".into()), owner: RuleOwner::Ours }
    }

    fn open(id: &str, until: i64) -> OpenRule {
        let tagged_until = Some(Timestamp::from_millis(until));
        let rules = vec![held(&format!("sgr-{id}"))];
        OpenRule { opening: OpeningId::from_stored(id), rules, tagged_until, is_going: false }
    }

    fn opening(id: &str, until: i64) -> Opening {
        let address = HostAddress::parse("93.184.216.34").unwrap();
        Opening {
            state: OpeningState::Present,
            rules: vec![held(&format!("sgr-{id}"))],
            marked_until: Some(Timestamp::from_millis(until)),
            ..Opening::wanted(OpeningId::from_stored(id), bastion(), address)
        }
    }

    #[test]
    fn a_hundred_thousand_rules_take_a_few_megabytes() {
        let memory = Memory::default();
        let names = (0..1000).map(|number| ResourceName::new(format!("group-{number}")).unwrap());
        for name in names {
            let all: Vec<_> = (0..100).map(|number| open(&format!("{name}-{number}"), 5_000)).collect();
            memory.replace(&name, &all, 0);
        }
        assert_eq!(memory.len(), 100_000);
        let state = memory.state();
        let bytes: usize = state.resources.values().map(|known| known.rules.capacity() * size_of::<KnownRule>()).sum();
        assert!(bytes < 4_000_000, "{bytes}");
    }

    #[test]
    fn it_knows_what_is_open_and_which_tag_is_over_first() {
        let memory = Memory::default();
        memory.replace(&bastion(), &[open("a", 5_000), open("b", 3_000)], 0);
        let end = || memory.first_end(&bastion()).map(Timestamp::as_millis);
        assert_eq!((end(), memory.len()), (Some(3_000), 2));
        assert!(memory.knows(&bastion(), &ProviderRuleId::from_stored("sgr-a")));
        memory.learn(&opening("b", 9_000), None);
        assert_eq!((end(), memory.len()), (Some(5_000), 2), "the tag was moved");
        memory.learn(&Opening { state: OpeningState::Gone, ..opening("a", 5_000) }, None);
        assert_eq!((end(), memory.len()), (Some(9_000), 1));
        assert!(!memory.knows(&bastion(), &ProviderRuleId::from_stored("sgr-a")));
    }

    #[test]
    fn what_was_read_before_does_not_overwrite_what_was_learnt_since() {
        let memory = Memory::default();
        let read_at = memory.learnt();
        memory.learn(&opening("b", 9_000), None);
        memory.replace(&bastion(), &[], read_at);
        assert_eq!(memory.len(), 1);
        memory.replace(&bastion(), &[], memory.learnt());
        assert_eq!(memory.len(), 0);
    }

    #[test]
    fn an_accepted_stop_and_a_later_end_are_remembered_beside_what_lists_show() {
        let (memory, rule) = (Memory::default(), ProviderRuleId::from_stored("sgr-a"));
        memory.learn(&opening("a", 5_000), Some(Timestamp::from_millis(9_000)));
        memory.replace(&bastion(), &[open("a", 5_000)], memory.learnt());
        assert_eq!(memory.says(&bastion(), &rule), Remembered::WantedUntil(Timestamp::from_millis(9_000)));
        assert_eq!(memory.first_end(&bastion()), Some(Timestamp::from_millis(9_000)));
        memory.learn(&Opening { state: OpeningState::Removing, ..opening("a", 5_000) }, None);
        memory.see(&bastion(), &[open("a", 5_000)]);
        assert_eq!(memory.says(&bastion(), &rule), Remembered::Going);
        assert_eq!(memory.first_end(&bastion()), Some(Timestamp::from_millis(0)));
        memory.replace(&bastion(), &[open("b", 5_000)], memory.learnt());
        assert_eq!(memory.says(&bastion(), &rule), Remembered::Nothing);
    }
}
