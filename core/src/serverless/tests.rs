use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::domain::{Addresses, HostAddress, MemberName, OpeningId, ProviderRuleId, RulePart, SessionId, Span};
use crate::provider::{
    Addition, Allowlist, Health, Holder, Mark, Note, NoteName, ProviderError, Remark, Removal, SharedAllowlist, SharedRule,
};

/// Time that passes only where everybody waits for it.
#[derive(Default)]
struct Time {
    now: AtomicU64,
    /// The first moment that anybody waits for.
    next: AtomicU64,
}

impl Time {
    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    async fn pass(&self, millis: u64) {
        let until = self.now() + millis;
        std::future::poll_fn(|_| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            self.next.fetch_min(until, Ordering::Relaxed);
            Poll::Pending
        })
        .await;
    }

    /// Runs a future to its end, and moves the time on whenever it waits.
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
        loop {
            self.next.store(u64::MAX, Ordering::Relaxed);
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => self.now.store(self.next.load(Ordering::Relaxed), Ordering::Relaxed),
            }
        }
    }
}

#[async_trait]
impl Timer for Time {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now())
    }

    async fn sleep(&self, pause: Duration) {
        self.pass(u64::try_from(pause.as_millis()).unwrap()).await;
    }
}

/// A list whose calls take a while each, at random, so that those of several jobs fall between each other.
struct Group {
    time: Time,
    rules: Mutex<Vec<SharedRule>>,
    made: AtomicU64,
    chance: Mutex<u64>,
    parts: Vec<RulePart>,
}

impl Group {
    fn new(seed: u64) -> Self {
        let parts = vec![RulePart("tcp 22".into()), RulePart("tcp 5432".into())];
        Self { time: Time::default(), rules: Mutex::default(), made: AtomicU64::new(0), chance: Mutex::new(seed | 1), parts }
    }

    async fn takes_a_while(&self) {
        let roll = {
            let mut chance = self.chance.lock().unwrap();
            *chance ^= *chance << 13;
            *chance ^= *chance >> 7;
            *chance ^= *chance << 17;
            *chance
        };
        self.time.pass(roll % 50).await;
    }

    fn seen(&self) -> Vec<SharedRule> {
        self.rules.lock().unwrap().clone()
    }

    fn is_open_for(&self, session: &SessionId) -> bool {
        self.seen().iter().filter(|rule| rule.is_held_by(session)).count() == self.parts.len()
    }

    /// The expiry on each rule.
    fn ends(&self) -> Vec<i64> {
        let end = |rule: &SharedRule| rule.rule.mark.as_ref().and_then(|mark| mark.expires_at).unwrap().as_millis();
        self.seen().iter().map(end).collect()
    }

    fn insert(&self, source: IpNet, part: &RulePart, mark: Option<Mark>, holders: Vec<Holder>) {
        let id = ProviderRuleId::from_stored(format!("sgr-{}", self.made.fetch_add(1, Ordering::Relaxed)));
        let rule = SeenRule { id, source, part: part.clone(), mark };
        self.rules.lock().unwrap().push(SharedRule { rule, holders, closing: Vec::new() });
    }
}

#[async_trait]
impl Allowlist for Group {
    fn parts(&self) -> &[RulePart] {
        &self.parts
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        Ok(self.observe_shared().await?.into_iter().map(|rule| rule.rule).collect())
    }

    async fn add(&self, _: &[Addition]) -> Result<(), ProviderError> {
        unreachable!("jobs hold what they add")
    }

    async fn mark_until(&self, _: &[Remark]) -> Result<(), ProviderError> {
        unreachable!("jobs write notes")
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        self.takes_a_while().await;
        self.rules.lock().unwrap().retain(|rule| !removals.iter().any(|removal| removal.rules.contains(&rule.rule.id)));
        self.takes_a_while().await;
        Ok(())
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        unreachable!("nobody asks")
    }
}

#[async_trait]
impl SharedAllowlist for Group {
    async fn observe_shared(&self) -> Result<Vec<SharedRule>, ProviderError> {
        self.takes_a_while().await;
        let seen = self.seen();
        self.takes_a_while().await;
        Ok(seen)
    }

    async fn add_held(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        self.takes_a_while().await;
        let is_there = |addition: &Addition| {
            self.seen().iter().any(|rule| rule.rule.is_for(addition.address) && addition.parts.contains(&rule.rule.part))
        };
        if additions.iter().any(is_there) {
            return Err(ProviderError::Duplicate);
        }
        for addition in additions {
            let (openings, expires_at) = (vec![addition.opening.clone()], Some(addition.until));
            let mark = Mark { owner: owner(), openings, expires_at };
            let holder = Holder { session: addition.session.clone(), until: addition.until };
            for part in &addition.parts {
                self.insert(IpNet::from(addition.address.ip()), part, Some(mark.clone()), vec![holder.clone()]);
            }
        }
        self.takes_a_while().await;
        Ok(())
    }

    async fn write(&self, rules: &[ProviderRuleId], notes: &[Note]) -> Result<(), ProviderError> {
        self.takes_a_while().await;
        for rule in self.rules.lock().unwrap().iter_mut().filter(|rule| rules.contains(&rule.rule.id)) {
            for note in notes {
                match note {
                    Note::Holder(holder) => rule.holders.push(holder.clone()),
                    Note::Closing(session) => rule.closing.push(session.clone()),
                    Note::Until(until) => rule.rule.mark.as_mut().unwrap().expires_at = Some(*until),
                }
            }
        }
        self.takes_a_while().await;
        Ok(())
    }

    async fn erase(&self, rules: &[ProviderRuleId], notes: &[NoteName]) -> Result<(), ProviderError> {
        self.takes_a_while().await;
        for rule in self.rules.lock().unwrap().iter_mut().filter(|rule| rules.contains(&rule.rule.id)) {
            for note in notes {
                match note {
                    NoteName::Holder(session) => rule.holders.retain(|holder| holder.session != *session),
                    NoteName::Closing(session) => rule.closing.retain(|other| other != session),
                }
            }
        }
        self.takes_a_while().await;
        Ok(())
    }
}

const RUNNER: &str = "93.184.216.34";

fn wish(session: &str, until: i64) -> Wish {
    Wish {
        session: SessionId::from_stored(session),
        member: MemberName::new("acme.api").unwrap(),
        addresses: Addresses::new(&[HostAddress::parse(RUNNER).unwrap()]).unwrap(),
        until: Timestamp::from_millis(until),
        opening: OpeningId::from_stored(format!("opening of {session}")),
    }
}

impl Group {
    fn patience(&self) -> Patience<'_> {
        Patience::of(Duration::from_secs(60), &self.time)
    }

    fn joined_by(&self, wish: &Wish) -> Joined {
        self.time.run(join(self, wish, self.patience())).unwrap()
    }

    fn left_by(&self, wish: &Wish, now: i64) -> Left {
        self.time.run(leave(self, &wish.session, &at(now), self.patience())).unwrap()
    }
}

fn at(millis: i64) -> ManualClock {
    ManualClock::at(Timestamp::from_millis(millis))
}

#[test]
fn what_a_job_opened_alone_is_gone_after_it() {
    let group = Group::new(1);
    let wish = wish("a", 3_600_000);
    assert_eq!(group.joined_by(&wish), Joined::default());
    assert!(group.is_open_for(&wish.session));
    let left = group.left_by(&wish, 0);
    assert_eq!(left, Left { removed: 2, kept_by_others: 0 });
    assert_eq!(group.seen(), []);
}

#[test]
fn the_end_on_a_rule_is_the_latest_of_its_holders() {
    let group = Group::new(2);
    let (long, short) = (wish("long", 7_200_000), wish("short", 3_600_000));
    group.joined_by(&short);
    assert_eq!(group.ends(), [3_600_000; 2]);
    group.joined_by(&long);
    assert_eq!(group.ends(), [7_200_000; 2]);
    let left = group.left_by(&long, 0);
    assert_eq!((left.kept_by_others, group.ends()), (2, vec![3_600_000; 2]));
}

#[test]
fn i1_who_died_holding_a_rule_keeps_it_open_until_its_own_end_and_no_longer() {
    let group = Group::new(3);
    let (dead, living) = (wish("dead", 3_600_000), wish("living", 7_200_000));
    group.joined_by(&dead);
    group.joined_by(&living);
    let early = group.left_by(&living, 0);
    assert_eq!((early.kept_by_others, group.ends()), (2, vec![3_600_000; 2]));
    group.joined_by(&living);
    let late = group.left_by(&living, 3_600_001);
    assert_eq!((late.removed, group.seen().len()), (2, 0));
}

#[test]
fn whoever_said_it_would_remove_a_rule_and_died_is_waited_for_and_then_overruled() {
    let group = Group::new(4);
    group.joined_by(&wish("dead", 3_600_000));
    let ids: Vec<_> = group.seen().into_iter().map(|rule| rule.rule.id).collect();
    group.time.run(group.write(&ids, &[Note::Closing(SessionId::from_stored("dead"))])).unwrap();
    let (began, living) = (group.time.now(), wish("living", 3_600_000));
    group.joined_by(&living);
    assert!(group.is_open_for(&living.session) && group.seen().iter().all(|rule| rule.closing.is_empty()));
    assert!(group.time.now() - began >= 20_000);
}

#[test]
fn i3_a_rule_of_somebody_elses_is_used_as_it_is_and_never_touched() {
    let group = Group::new(5);
    let source = "93.184.216.34/32".parse().unwrap();
    group.insert(source, &RulePart("tcp 22".into()), None, Vec::new());
    let server = Mark { owner: DeploymentId::from_stored("server"), openings: Vec::new(), expires_at: None };
    group.insert(source, &RulePart("tcp 5432".into()), Some(server), Vec::new());
    let before = group.seen();
    let wish = wish("a", 3_600_000);
    let joined = group.joined_by(&wish);
    assert_eq!(joined.by_others, [HostAddress::parse(RUNNER).unwrap()]);
    assert_eq!(group.left_by(&wish, 0), Left::default());
    assert_eq!(group.seen(), before);
}

/// One job: when it begins, how long it works, whether it dies rather than leave.
#[derive(Clone, Debug)]
struct Job {
    begins: u64,
    works: u64,
    dies: bool,
}

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let job = (0_u64..600, 0_u64..100, prop::bool::weighted(0.2));
    prop::collection::vec(job.prop_map(|(begins, works, dies)| Job { begins, works, dies }), 2..6)
}

async fn work(group: &Group, number: usize, job: &Job, until: i64) {
    let wish = wish(&format!("job-{number}"), until);
    group.time.pass(job.begins).await;
    join(group, &wish, group.patience()).await.unwrap();
    for _ in 0..=job.works {
        assert!(group.is_open_for(&wish.session), "job {number} has lost its rules: {:?}", group.seen());
        group.time.pass(1).await;
    }
    if !job.dies {
        leave(group, &wish.session, &SystemClock, group.patience()).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn i2_no_job_loses_its_rule_to_another_and_the_last_one_leaves_nothing(jobs in jobs(), seed in any::<u64>()) {
        let group = Group::new(seed);
        let hour = SystemClock.now().plus(Span::from_hours(1)).as_millis();
        let until = |number: usize| hour + 1_000 * i64::try_from(number).unwrap();
        let working = jobs.iter().enumerate().map(|(number, job)| work(&group, number, job, until(number)));
        group.time.run(futures_util::future::join_all(working));
        // The dead hold what they held, to the latest of their own ends.
        let latest = jobs.iter().enumerate().filter(|(_, job)| job.dies).map(|(number, _)| until(number)).max();
        match latest {
            None => assert_eq!(group.seen(), []),
            Some(end) => assert_eq!(group.ends(), [end; 2]),
        }
    }
}
