//! A distant provider: every call takes its time, and calls above the limits are refused, as Amazon EC2 refuses them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::domain::{ApiLimit, DeploymentId, ProviderRuleId, RulePart, Timestamp};
use entryguard_core::provider::{Addition, Allowlist, CallLimits, Health, Mark, ProviderError, Remark, Removal, SeenRule};

use crate::bucket::Bucket;
use crate::crowd::Crowd;

/// Rules that one read shows.
const PAGE: usize = 1000;
/// Openings with the same expiry that one call adds.
const ADDITIONS_A_CALL: u32 = 6;
/// What one opening consists of.
pub const PART: &str = "tcp 22";

/// What all groups of one account and region share.
pub struct Cloud {
    latency: Duration,
    limits: CallLimits,
    state: Mutex<State>,
}

struct State {
    add: Bucket,
    remove: Bucket,
    read: Bucket,
    mark: Bucket,
    calls: Calls,
    first_call: Option<Instant>,
    removed: BTreeMap<ProviderRuleId, Timestamp>,
    made: u64,
}

/// The calls so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    /// Lists that were asked for.
    pub observe: usize,
    /// Pages that they came in.
    pub pages: usize,
    /// Calls that added rules.
    pub add: usize,
    /// Calls that removed rules.
    pub remove: usize,
    /// Calls that moved marks.
    pub mark: usize,
    /// Calls that were refused for their number.
    pub refused: usize,
}

impl Calls {
    /// All, a list counting as one call however many pages it had.
    pub const fn all(self) -> usize {
        self.observe + self.add + self.remove + self.mark
    }
}

impl Cloud {
    /// A cloud that is so far away.
    pub fn new(latency: Duration) -> Self {
        let limits = ec2_limits();
        let full = |limit: &ApiLimit| Bucket::full(limit.burst, limit.per_second);
        let state = State {
            add: full(&limits.add),
            remove: full(&limits.remove),
            read: full(&limits.observe),
            mark: full(&limits.mark),
            calls: Calls::default(),
            first_call: None,
            removed: BTreeMap::new(),
            made: 0,
        };
        Self { latency, limits, state: Mutex::new(state) }
    }

    /// The calls so far.
    pub fn calls(&self) -> Calls {
        self.state().calls
    }

    /// When the first call arrived.
    pub fn first_call(&self) -> Option<Instant> {
        self.state().first_call
    }

    /// When each rule that is gone went.
    pub fn removed(&self) -> BTreeMap<ProviderRuleId, Timestamp> {
        self.state().removed.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: counted and taken from its limit when it arrives, answered when the latency is over.
    async fn call(&self, kind: impl FnOnce(&mut State) -> &mut Bucket) -> Result<(), ProviderError> {
        let taken = {
            let mut state = self.state();
            let now = Instant::now();
            state.first_call.get_or_insert(now);
            let taken = kind(&mut state).take(now);
            state.calls.refused += usize::from(!taken);
            taken
        };
        tokio::time::sleep(self.latency).await;
        let refused = || ProviderError::Throttled { provider: "the distant cloud", code: "RequestLimitExceeded".into() };
        if taken { Ok(()) } else { Err(refused()) }
    }
}

/// The same numbers as in `core/providers/aws/src/limits.rs`.
fn ec2_limits() -> CallLimits {
    let limit = |api: &str, burst, per_second| ApiLimit { api: format!("prod/eu-west-1/{api}"), burst, per_second };
    CallLimits {
        observe: limit("DescribeSecurityGroupRules", 100, 20),
        add: limit("AuthorizeSecurityGroupIngress", 50, 5),
        mark: limit("CreateTags", 100, 10),
        remove: limit("RevokeSecurityGroupIngress", 50, 5),
        additions_a_call: ADDITIONS_A_CALL,
    }
}

/// One security group.
pub struct Group {
    cloud: Arc<Cloud>,
    owner: DeploymentId,
    number: usize,
    parts: Vec<RulePart>,
    // Their rules are made up when they are read: the bench's memory is not to count as the engine's.
    crowds: Vec<Crowd>,
    rules: Mutex<Rules>,
    // How many rules it holds.
    quota: AtomicUsize,
}

#[derive(Default)]
struct Rules {
    made: BTreeMap<ProviderRuleId, SeenRule>,
    // Of the crowds' rules.
    gone: BTreeSet<ProviderRuleId>,
}

impl Group {
    /// The group of that number, with what the crowds have opened on it.
    pub fn new(cloud: &Arc<Cloud>, owner: &DeploymentId, number: usize, crowds: &[Crowd]) -> Self {
        let parts = vec![RulePart(PART.to_owned())];
        Self {
            cloud: Arc::clone(cloud),
            owner: owner.clone(),
            number,
            parts,
            crowds: crowds.to_vec(),
            rules: Mutex::default(),
            quota: AtomicUsize::new(usize::MAX),
        }
    }

    /// Holds so many rules from now on, and refuses calls whose rules do not fit.
    pub fn limit_to(&self, rules: usize) {
        self.quota.store(rules, Ordering::Relaxed);
    }

    /// Takes away the first rule of the crowds, as somebody in the console would.
    pub fn lose_one(&self) {
        let first = self.list().into_iter().next();
        self.rules().gone.extend(first.map(|rule| rule.id));
    }

    /// Adds a rule that bears our mark and that no opening knows.
    pub fn add_orphan(&self, rule: SeenRule) {
        let mark = rule.mark.map(|mark| Mark { owner: self.owner.clone(), ..mark });
        self.rules().made.insert(rule.id.clone(), SeenRule { mark, ..rule });
    }

    /// Makes the rules of one call.
    fn make(&self, additions: &[&Addition]) {
        for addition in additions {
            let id = {
                let mut state = self.cloud.state();
                state.made += 1;
                ProviderRuleId::from_stored(format!("sgr-made-{}", state.made))
            };
            let openings = vec![addition.opening.clone()];
            let mark = Some(Mark { owner: self.owner.clone(), openings, expires_at: Some(addition.until) });
            let part = RulePart(PART.to_owned());
            let rule = SeenRule { id: id.clone(), source: addition.address.ip().into(), part, mark };
            self.rules().made.insert(id, rule);
        }
    }

    fn list(&self) -> Vec<SeenRule> {
        let rules = self.rules();
        let crowds = self.crowds.iter().flat_map(|crowd| crowd.rules_on(self.number, &self.owner));
        crowds.filter(|rule| !rules.gone.contains(&rule.id)).chain(rules.made.values().cloned()).collect()
    }

    fn len(&self) -> usize {
        let rules = self.rules();
        self.crowds.iter().map(|crowd| crowd.count_on(self.number)).sum::<usize>() - rules.gone.len() + rules.made.len()
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Allowlist for Group {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    fn limits(&self) -> Option<&CallLimits> {
        Some(&self.cloud.limits)
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        self.cloud.state().calls.observe += 1;
        for _ in 0..self.len().div_ceil(PAGE).max(1) {
            self.cloud.state().calls.pages += 1;
            self.cloud.call(|state| &mut state.read).await?;
        }
        Ok(self.list())
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        let mut additions: Vec<_> = additions.iter().collect();
        additions.sort_by_key(|addition| addition.until.as_seconds());
        let together = additions.chunk_by(|one, other| one.until.as_seconds() == other.until.as_seconds());
        for call in together.flat_map(|together| together.chunks(ADDITIONS_A_CALL as usize)) {
            self.cloud.state().calls.add += 1;
            self.cloud.call(|state| &mut state.add).await?;
            if self.len() + call.len() > self.quota.load(Ordering::Relaxed) {
                let what = format!("group {}", self.number);
                return Err(ProviderError::QuotaReached { quota: "the quota of rules a group", what });
            }
            self.make(call);
        }
        Ok(())
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        self.cloud.state().calls.mark += 1;
        self.cloud.call(|state| &mut state.mark).await?;
        let mut rules = self.rules();
        for (id, until) in remarks.iter().flat_map(|remark| remark.rules.iter().map(|id| (id, remark.until))) {
            if let Some(mark) = rules.made.get_mut(id).and_then(|rule| rule.mark.as_mut()) {
                mark.expires_at = Some(until);
            }
        }
        Ok(())
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        self.cloud.state().calls.remove += 1;
        self.cloud.call(|state| &mut state.remove).await?;
        let now = SystemClock.now();
        let (mut rules, mut cloud) = (self.rules(), self.cloud.state());
        for id in removals.iter().flat_map(|removal| &removal.rules) {
            if rules.made.remove(id).is_none() {
                rules.gone.insert(id.clone());
            }
            cloud.removed.entry(id.clone()).or_insert(now);
        }
        Ok(())
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        Ok(Health { summary: format!("{} rules", self.len()), warnings: Vec::new() })
    }
}
