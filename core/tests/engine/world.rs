//! A database, a cloud and a clock that outlive every process, the process of the moment, and what must be true of them.

use std::sync::Arc;

use entryguard_core::clock::{Clock, ManualClock};
use entryguard_core::crash::{Watch, watched};
use entryguard_core::domain::{
    Addresses, BlockCause, HostAddress, Identity, ResourceName, SessionId, SessionStatus, Span, Surface, Timestamp,
};
use entryguard_core::engine::{Caller, EngineError, StartRequest, Which};
use entryguard_core::provider::{Call, Event, SeenRule, SimCloud};
use entryguard_core::random::SharedRandom;
use entryguard_core::store::{BlockedGrants, SessionFilter, SessionView};
use ipnet::IpNet;

use crate::database::{Database, Kind};
use crate::model::{EndedBy, Expected, Model};
use crate::process::{PARTS, Process};
use crate::seeded::Seeded;
use crate::step::{Edit, HOME, MEMBERS, Step, Work};

/// Rounds of waiting within which everything must come to rest. Delays are capped at a minute.
const ROUNDS: usize = 40;

pub struct World {
    pub database: Database,
    pub cloud: Arc<SimCloud>,
    pub clock: Arc<ManualClock>,
    // Nothing while it is dead.
    process: Option<Process>,
    pub model: Model,
    random: SharedRandom,
}

impl World {
    pub async fn new(kind: Kind, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let cloud = SimCloud::new(Arc::clone(&clock) as Arc<dyn Clock>, seed);
        let random: SharedRandom = Arc::new(Seeded::new(seed));
        Self::on(kind.make().await, clock, cloud, random).await
    }

    /// On this database, reached by its URL.
    pub async fn reached(database: Database, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let cloud = SimCloud::new(Arc::clone(&clock) as Arc<dyn Clock>, seed);
        Self::on(database, clock, cloud, Arc::new(Seeded::new(seed))).await
    }

    async fn on(database: Database, clock: Arc<ManualClock>, cloud: Arc<SimCloud>, random: SharedRandom) -> Self {
        let process = Process::start(&database.url, &cloud, &clock, &random).await;
        Self { database, cloud, clock, process: Some(process), model: Model::default(), random }
    }

    /// Lets a step of a history happen.
    pub async fn step(&mut self, step: &Step) {
        match step {
            Step::Do(work) => drop(self.work(*work, &Watch::only()).await),
            Step::Crash(work, at) => {
                if self.work(*work, &Watch::dying_at(*at)).await.is_none() {
                    self.restart().await;
                }
            }
            // Where a rule was taken away by hand, what hangs on it comes to rest only after a sweep.
            Step::Settle => self.settle_as_far_as_it_goes().await,
            Step::Wait(span) => self.clock.advance(*span),
            Step::ChangeFails(fault) => self.cloud.fault_next_change(*fault),
            Step::ReadFails(fault) => self.cloud.fault_next_read(*fault),
            Step::Lag(lag) => self.cloud.lag(*lag),
            Step::Quota { resource, rules } => {
                self.cloud.quota(&ResourceName::new(PARTS[resource % PARTS.len()].0).unwrap(), *rules)
            }
            Step::Heal => self.cloud.heal(),
            Step::Edit(edit) => self.edit(*edit),
        }
    }

    /// Does some work; whether there may be more of it, and nothing where it died. The model knows what became of it.
    pub async fn work(&mut self, work: Work, watch: &Watch) -> Option<bool> {
        match work {
            Work::Start { member, from, hours } => {
                let addresses: Vec<_> = from.addresses().iter().map(|text| HostAddress::parse(text).unwrap()).collect();
                let addresses = Addresses::new(&addresses).unwrap();
                let request = StartRequest::seen(Some(Span::from_hours(hours)), addresses);
                let caller = self.caller(member);
                let outcome = watched(watch.clone(), self.process().engine.start(&caller, request)).await;
                let (started_at, end) = (self.now(), self.now().plus(Span::from_hours(hours)));
                let made = match &outcome {
                    Some(started) => Some(started.as_ref().unwrap().view.session.id.clone()),
                    None => self.unknown_session().await,
                };
                let expect = |id| Expected { id, member, from, started_at, first_end: end, end, ended: None };
                self.model.sessions.extend(made.map(expect));
                outcome.map(|_| false)
            }
            Work::Stop(number) => {
                let Some(session) = self.model.number(number).cloned() else { return Some(false) };
                let (caller, which) = (self.caller(session.member), Which::Named(session.id.to_string()));
                let outcome = watched(watch.clone(), self.process().engine.stop(&caller, &which)).await;
                let done = match &outcome {
                    Some(stopped) => stopped.as_ref().is_ok(),
                    None => self.view(&session.id).await.session.ending.is_some(),
                };
                assert!(done || outcome.is_none(), "nobody keeps anybody from stopping: {outcome:?}");
                if done {
                    self.model.get_mut(&session.id).ended.get_or_insert(EndedBy::Somebody);
                }
                outcome.map(|_| false)
            }
            Work::Extend(number, hours) => {
                let Some(session) = self.model.number(number).cloned() else { return Some(false) };
                self.extend(session, Span::from_hours(hours), watch).await.map(|()| false)
            }
            Work::Pass => watched(watch.clone(), self.process().reconciler.reconcile_one()).await.map(|more| more.unwrap()),
            Work::Clock => {
                let ended = watched(watch.clone(), self.process().reconciler.expire_overdue()).await;
                match ended {
                    Some(ended) => {
                        ended.unwrap();
                        self.model.clock_ran(self.now());
                        Some(false)
                    }
                    None => {
                        self.ask_the_database_what_the_clock_ended().await;
                        None
                    }
                }
            }
            Work::Sweep => {
                let report = watched(watch.clone(), self.process().reconciler.sweep(false)).await?.unwrap();
                Some(!report.is_complete())
            }
        }
    }

    async fn extend(&mut self, session: Expected, by: Span, watch: &Watch) -> Option<()> {
        let before = self.view(&session.id).await.status();
        let (caller, which) = (self.caller(session.member), Which::Named(session.id.to_string()));
        let outcome = watched(watch.clone(), self.process().engine.extend(&caller, &which, Some(by))).await;
        let (now, latest) = (self.now(), session.latest_end());
        let over = session.ended.is_some() || session.end <= now;
        match &outcome {
            Some(Ok(extended)) => {
                assert!(!over && extended.view.session.expires_at == session.end_after(by), "{session:?}: {extended:?}");
                self.model.get_mut(&session.id).end = session.end_after(by);
            }
            Some(Err(EngineError::Over { .. })) => assert!(over, "{session:?} is not over"),
            Some(Err(EngineError::AtTheLimit { .. })) => assert_eq!(session.end, latest),
            Some(Err(EngineError::NotOpen { .. })) => {
                assert!(matches!(before, SessionStatus::Pending | SessionStatus::Failed), "{before:?}");
            }
            Some(Err(other)) => panic!("{other:?}"),
            None => {
                let end = self.view(&session.id).await.session.expires_at;
                assert!(end == session.end || !over && end == session.end_after(by), "{session:?} ends at {end}");
                self.model.get_mut(&session.id).end = end;
            }
        }
        outcome.map(drop)
    }

    /// The process is dead: its connections are closed, whatever it had in memory is gone, and another one starts.
    pub async fn restart(&mut self) {
        self.process().store.close().await;
        // The lock on the file goes with the last that holds the store.
        self.process = None;
        let process = Process::start(&self.database.url, &self.cloud, &self.clock, &self.random).await;
        process.reconciler.resume().await.unwrap();
        self.process = Some(process);
        self.model.clock_ran(self.now());
    }

    /// Lets the clock and the passes run until nothing is due, waiting out every delay.
    pub async fn settle(&mut self) {
        assert_eq!(self.settle_watched(&Watch::only()).await, Some(true), "the engine does not come to rest:\n{}", self.story());
    }

    /// The same under watch: whether it came to rest, and nothing where it died.
    pub async fn settle_watched(&mut self, watch: &Watch) -> Option<bool> {
        for _ in 0..ROUNDS {
            self.work(Work::Clock, watch).await?;
            while self.work(Work::Pass, watch).await? {}
            let Some(next) = self.process().store.begin().await.unwrap().next_due().await.unwrap() else { return Some(true) };
            // What is due and was not done is held by a dead process's lease.
            self.clock.advance(next.since(self.now()).max(Span::from_seconds(1)));
        }
        Some(false)
    }

    /// The same, until nothing is left to wait for but room on a list that stays full.
    async fn settle_as_far_as_it_goes(&mut self) {
        for _ in 0..ROUNDS {
            self.work(Work::Clock, &Watch::only()).await;
            while self.work(Work::Pass, &Watch::only()).await == Some(true) {}
            let mut tx = self.process().store.begin().await.unwrap();
            let Some(next) = tx.next_due().await.unwrap() else { return };
            let blocked = tx.blocked_grants().await.unwrap();
            drop(tx);
            let is_full = |blocked: &BlockedGrants| blocked.block.cause == BlockCause::Quota && blocked.block.probe_at == next;
            if next > self.now() && blocked.iter().any(is_full) {
                return;
            }
            self.clock.advance(next.since(self.now()).max(Span::from_seconds(1)));
        }
    }

    /// The faults end, what was late is done, and a sweep has a look.
    pub async fn come_to_rest(&mut self) {
        self.cloud.heal();
        self.step(&Step::Settle).await;
        if let Some(late) = self.cloud.last_late() {
            self.clock.advance(late.since(self.now()));
        }
        // What a dead process has leased is free again.
        self.clock.advance(Span::from_minutes(2));
        self.step(&Step::Settle).await;
        assert_eq!(self.work(Work::Sweep, &Watch::only()).await, Some(false), "a sweep with nobody at work is complete");
        self.settle().await;
    }

    /// What is on a resource's list.
    pub fn rules(&self, resource: &str) -> Vec<SeenRule> {
        self.cloud.rules(&ResourceName::new(resource).unwrap())
    }

    /// What became of rules, and which calls went wrong on order: for whoever reads a failure.
    pub fn story(&self) -> String {
        let told = |event: &Event| !matches!(event, Event::Call(Call { fault: None, .. }));
        self.cloud.journal().iter().filter(|event| told(event)).map(|event| format!("{event}\n")).collect()
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("a process is alive")
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn views(&self) -> Vec<SessionView> {
        let all = SessionFilter { at_most: 10_000, ..SessionFilter::default() };
        self.process().store.begin().await.unwrap().sessions(&all).await.unwrap()
    }

    pub async fn view(&self, id: &SessionId) -> SessionView {
        self.process().store.begin().await.unwrap().session(id).await.unwrap().unwrap()
    }

    pub async fn audit_of(&self, id: &SessionId) -> Vec<String> {
        self.process().store.begin().await.unwrap().audit_of(id).await.unwrap()
    }

    pub fn random(&self) -> SharedRandom {
        Arc::clone(&self.random)
    }

    /// Starts a session that the model knows nothing of.
    pub async fn try_to_start(&self, member: usize) -> Result<SessionId, EngineError> {
        self.try_to_start_at(member, HOME).await
    }

    pub async fn try_to_start_at(&self, member: usize, address: &str) -> Result<SessionId, EngineError> {
        let addresses = Addresses::new(&[HostAddress::parse(address).unwrap()]).unwrap();
        let request = StartRequest::seen(Some(Span::from_hours(1)), addresses);
        Ok(self.process().engine.start(&self.caller(member), request).await?.view.session.id)
    }

    /// Stops such a session.
    pub async fn stop(&self, member: usize, id: &SessionId) {
        let which = Which::Named(id.to_string());
        self.process().engine.stop(&self.caller(member), &which).await.unwrap();
    }

    pub fn caller(&self, member: usize) -> Caller {
        let identity = Identity::Slack { team: "T".into(), user: MEMBERS[member % MEMBERS.len()].into() };
        self.process().engine.caller(&identity, Surface::Slack).unwrap()
    }

    /// The session that a start made before it died, if it did.
    async fn unknown_session(&self) -> Option<SessionId> {
        let mut ids = self.views().await.into_iter().map(|view| view.session.id);
        ids.find(|id| self.model.sessions.iter().all(|known| known.id != *id))
    }

    async fn ask_the_database_what_the_clock_ended(&mut self) {
        let now = self.now();
        for view in self.views().await.into_iter().filter(|view| view.session.ending.is_some()) {
            let session = self.model.get_mut(&view.session.id);
            assert!(session.ended.is_some() || session.end <= now, "{session:?} was ended before its time");
            session.ended.get_or_insert(EndedBy::Clock);
        }
    }

    fn edit(&self, edit: Edit) {
        let list = |number: usize| PARTS[number % PARTS.len()];
        let name = |number| ResourceName::new(list(number).0).unwrap();
        let chosen = |resource, rule| choose(self.cloud.rules(&name(resource)), rule);
        let is_there = |resource, source, part: &str| {
            self.cloud.rules(&name(resource)).iter().any(|rule| rule.source == source && rule.part.0 == part)
        };
        match edit {
            Edit::AddSame { resource, from, part } => {
                let source: IpNet = HostAddress::parse(from.addresses()[0]).unwrap().cidr().parse().unwrap();
                let parts = list(resource).1;
                let part = parts[part % parts.len()];
                if !is_there(resource, source, part) {
                    self.cloud.add_by_hand(&name(resource), source, part);
                }
            }
            Edit::AddOther { resource } => {
                self.cloud.add_by_hand(&name(resource), "198.41.0.4/32".parse().unwrap(), list(resource).1[0]);
            }
            Edit::Delete { resource, rule } => {
                if let Some(rule) = chosen(resource, rule) {
                    self.cloud.delete_by_hand(&name(resource), &rule.id);
                }
            }
            Edit::Widen { resource, rule } => {
                if let Some(rule) = chosen(resource, rule) {
                    let wide = IpNet::new(rule.source.addr(), 24).unwrap().trunc();
                    self.cloud.widen_by_hand(&name(resource), &rule.id, wide);
                }
            }
            Edit::Strip { resource, rule } => {
                if let Some(rule) = chosen(resource, rule) {
                    self.cloud.strip_by_hand(&name(resource), &rule.id);
                }
            }
            Edit::Restore { resource, rule } => {
                let went = self.cloud.changes().into_iter().filter(|change| change.resource == name(resource));
                let gone = went.filter(|change| change.after.is_none()).filter_map(|change| change.before).collect();
                if let Some(rule) = choose(gone, rule)
                    && !is_there(resource, rule.source, &rule.part.0)
                {
                    self.cloud.restore_by_hand(&name(resource), &rule);
                }
            }
        }
    }
}

fn choose(mut rules: Vec<SeenRule>, number: usize) -> Option<SeenRule> {
    (!rules.is_empty()).then(|| rules.swap_remove(number % rules.len()))
}
