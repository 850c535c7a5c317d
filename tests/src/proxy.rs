//! A proxy between the server and the cloud: it sees every call, makes the cloud far away, and breaks it when a test says so.

mod call;
mod faults;
mod forward;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;

pub use call::{Call, CallId, Fate};
use faults::Faults;

use crate::eventually::{SOON, eventually};
use crate::loopback::{self, Listener};

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    next: CallId,
    faults: Faults,
    latency: Duration,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Proxy {
    /// Stands before `upstream`.
    pub async fn before(upstream: &str) -> Self {
        let shared = Shared { upstream: upstream.to_owned(), http: loopback::client(), state: Mutex::default() };
        let shared = Arc::new(shared);
        let router = Router::new().fallback(forward::one_call).with_state(Arc::clone(&shared));
        Self { listener: Listener::serve(router).await, shared }
    }

    /// Where the server is to find its cloud.
    pub fn address(&self) -> &str {
        &self.listener.address
    }

    /// Every call from now on takes this much longer.
    pub fn slow_down(&self, latency: Duration) {
        self.shared.state().latency = latency;
    }

    /// The cloud does what `action` asks, and the server never hears of it.
    pub fn hold_answer_of(&self, action: &str) {
        self.shared.state().faults.hold_answer(action);
    }

    /// The cloud never gets `action`.
    pub fn hold_before(&self, action: &str) {
        self.shared.state().faults.hold_before(action);
    }

    /// The next `times` calls of `action` fail with an EC2 error of this code.
    pub fn refuse(&self, action: &str, code: &str, times: u32) {
        self.shared.state().faults.refuse(action, code, times);
    }

    /// Every call of `action` fails with an EC2 error of this code, until [`Proxy::behave`].
    pub fn keep_refusing(&self, action: &str, code: &str) {
        self.refuse(action, code, u32::MAX);
    }

    /// The next `times` calls of `action` that name `about` are answered with `body` in place of the cloud's answer: an old list,
    /// or half a list.
    pub fn answer_instead(&self, action: &str, about: &str, body: &str, times: u32) {
        self.shared.state().faults.answer_instead(action, about, body, times);
    }

    /// Ends every fault. What is held by now stays unanswered.
    pub fn behave(&self) {
        self.shared.state().faults = Faults::default();
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        // A call still under way finds its record by its id, and does without when it is gone.
        self.shared.state().calls.clear();
    }

    /// Waits until `times` calls of `action` have met their fate: answered, refused or held.
    pub async fn wait_for(&self, action: &str, times: usize) -> Vec<Call> {
        eventually(&format!("{times} calls of {action}"), SOON, async || {
            let met: Vec<_> = self.calls_of(action).into_iter().filter(|call| call.fate.is_some()).collect();
            if met.len() >= times { Ok(met) } else { Err(format!("{:#?}", self.shape_of_calls())) }
        })
        .await
    }

    /// Waits for a call of `action` that is under way; calls that are over by now do not count.
    pub async fn wait_for_one_under_way(&self, action: &str) -> Call {
        eventually(&format!("a call of {action} is under way"), SOON, async || {
            let under_way = self.calls_of(action).into_iter().find(|call| call.fate.is_none());
            under_way.ok_or_else(|| format!("{:#?}", self.shape_of_calls()))
        })
        .await
    }

    /// Every call, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// The calls of one action, in order of arrival.
    pub fn calls_of(&self, action: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.action == action).collect()
    }

    /// The most calls that waited for each other: what the cloud's distance is multiplied by.
    pub fn longest_chain(&self) -> Vec<Call> {
        call::longest_chain(self.calls())
    }

    /// How long somebody was waiting for the cloud.
    pub fn time_under_way(&self) -> Duration {
        call::time_under_way(self.calls())
    }

    fn shape_of_calls(&self) -> Vec<String> {
        self.calls().iter().map(|call| format!("{}: {:?}", call.action, call.fate)).collect()
    }
}
