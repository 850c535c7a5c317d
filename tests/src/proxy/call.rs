//! What the proxy remembers of a call.

use std::time::{Duration, Instant};

/// Which call of a proxy, in order of arrival.
pub type CallId = u64;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The cloud answered with this status, and the caller got it.
    Answered(u16),
    /// The proxy refused it in the cloud's name.
    Refused,
    /// The proxy gave an answer of another time in the cloud's name.
    AnsweredInstead,
    /// The cloud did it; the caller got no answer.
    AnswerHeld,
    /// The cloud never got it.
    HeldBefore,
}

/// One call of the server to the cloud.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which one.
    pub id: CallId,
    /// EC2's `Action`, or the method and path of what is no Query call.
    pub action: String,
    /// The access key of whoever called.
    pub caller: String,
    /// The form that was sent.
    pub form: Vec<(String, String)>,
    /// When it arrived.
    pub started: Instant,
    /// When it met its fate.
    pub ended: Option<Instant>,
    /// Nothing as long as it is under way.
    pub fate: Option<Fate>,
}

impl Call {
    /// Whether any parameter has this value, as `sg-…` or an address has.
    pub fn mentions(&self, value: &str) -> bool {
        self.form.iter().any(|(_, sent)| sent == value)
    }
}

/// Taking whichever of the calls not yet begun ends first gives the most calls that do not overlap.
pub fn longest_chain(mut calls: Vec<Call>) -> Vec<Call> {
    calls.retain(|call| call.ended.is_some());
    calls.sort_by_key(|call| call.ended);
    let mut chain: Vec<Call> = Vec::new();
    for call in calls {
        if chain.last().is_none_or(|last| last.ended <= Some(call.started)) {
            chain.push(call);
        }
    }
    chain
}

/// How long at least one of the calls was under way.
pub fn time_under_way(mut calls: Vec<Call>) -> Duration {
    calls.sort_by_key(|call| call.started);
    let (mut total, mut until) = (Duration::ZERO, None::<Instant>);
    for call in &calls {
        let Some(ended) = call.ended else { continue };
        let begins = until.map_or(call.started, |until| until.max(call.started));
        total += ended.saturating_duration_since(begins);
        until = Some(until.map_or(ended, |until| until.max(ended)));
    }
    total
}
