//! What is open, as far as this replica knows: a hint where to look first while the database fails, and never a reason to remove.
//!
//! 24 bytes a rule, and so 2.4 MB for 100,000: ids are kept as fingerprints. It learns from each pass that was recorded, and a few
//! resources at a time are read from the database every few seconds, which also finds what other replicas did.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
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
}

/// Where the next refresh begins: after this resource.
pub(super) type Place = Option<ResourceName>;

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a pass has made of an opening, after it was recorded.
    pub(in crate::reconcile) fn learn(&self, opening: &Opening) {
        let mut state = self.state();
        state.learnt += 1;
        let learnt_at = state.learnt;
        let known = state.resources.entry(opening.resource.clone()).or_default();
        known.learnt_at = learnt_at;
        let of = fingerprint(opening.id.as_str());
        known.rules.retain(|rule| rule.opening != of);
        if opening.state != OpeningState::Gone {
            let rules = opening.our_rules().map(|held| &held.id);
            known.rules.extend(known_rules(opening.id.as_str(), rules, opening.marked_until));
        }
    }

    /// What a list shows is open on a resource: the database's, or the provider's own.
    fn replace(&self, resource: &ResourceName, open: &[OpenRule], read_at: u64) {
        let mut state = self.state();
        let known = state.resources.entry(resource.clone()).or_default();
        if known.learnt_at <= read_at {
            known.rules.clear();
            known.rules.shrink_to(open.len());
            let rules = |open: &OpenRule| {
                known_rules(open.opening.as_str(), open.rules.iter().map(|held| &held.id), open.tagged_until).collect::<Vec<_>>()
            };
            known.rules.extend(open.iter().flat_map(rules));
        }
    }

    /// What the provider itself shows is open on a resource. Rules that are known and that it does not list as ours have lost their tags
    /// or are gone, and are kept: a rule that lost its tag is told from a foreign one by that.
    pub(super) fn see(&self, resource: &ResourceName, open: &[OpenRule]) {
        let listed: Vec<_> = open.iter().flat_map(|open| &open.rules).map(|held| fingerprint(held.id.as_str())).collect();
        let mut state = self.state();
        let known = state.resources.entry(resource.clone()).or_default();
        // Their ends count no more: nothing is to be done there at that time.
        known.rules.retain(|rule| rule.rule != 0 && !listed.contains(&rule.rule));
        known.rules.iter_mut().for_each(|rule| rule.tagged_until = i64::MAX);
        let rules = |open: &OpenRule| {
            known_rules(open.opening.as_str(), open.rules.iter().map(|held| &held.id), open.tagged_until).collect::<Vec<_>>()
        };
        known.rules.extend(open.iter().flat_map(rules));
    }

    /// When the first tag on a resource is over; nothing where none is known.
    pub(super) fn first_end(&self, resource: &ResourceName) -> Option<Timestamp> {
        let state = self.state();
        let first = state.resources.get(resource)?.rules.iter().map(|rule| rule.tagged_until).min()?;
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
) -> impl Iterator<Item = KnownRule> {
    let opening = fingerprint(opening);
    let tagged_until = tagged_until.map_or(i64::MAX, Timestamp::as_millis);
    let mut rules = rules.map(|rule| fingerprint(rule.as_str())).collect::<Vec<_>>();
    if rules.is_empty() {
        // Perhaps there all the same, under an id that was not seen.
        rules.push(0);
    }
    rules.into_iter().map(move |rule| KnownRule { opening, rule, tagged_until })
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
        OpenRule { opening: OpeningId::from_stored(id), rules: vec![held(&format!("sgr-{id}"))], tagged_until }
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
        memory.learn(&opening("b", 9_000));
        assert_eq!((end(), memory.len()), (Some(5_000), 2), "the tag was moved");
        memory.learn(&Opening { state: OpeningState::Gone, ..opening("a", 5_000) });
        assert_eq!((end(), memory.len()), (Some(9_000), 1));
        assert!(!memory.knows(&bastion(), &ProviderRuleId::from_stored("sgr-a")));
    }

    #[test]
    fn what_was_read_before_does_not_overwrite_what_was_learnt_since() {
        let memory = Memory::default();
        let read_at = memory.learnt();
        memory.learn(&opening("b", 9_000));
        memory.replace(&bastion(), &[], read_at);
        assert_eq!(memory.len(), 1);
        memory.replace(&bastion(), &[], memory.learnt());
        assert_eq!(memory.len(), 0);
    }
}
