//! What can go wrong between the server and the cloud.

use std::collections::{BTreeMap, BTreeSet};

/// The faults that are switched on.
#[derive(Debug, Default)]
pub struct Faults {
    held_answers: BTreeSet<String>,
    held_before: BTreeSet<String>,
    refusals: BTreeMap<String, (String, u32)>,
    instead: Vec<Instead>,
}

/// An answer of another time.
#[derive(Debug)]
struct Instead {
    action: String,
    about: String,
    body: String,
    left: u32,
}

/// What is to become of one call.
#[derive(Debug)]
pub enum Verdict {
    Pass,
    HoldAnswer,
    HoldBefore,
    Refuse { code: String },
    Instead { body: String },
}

impl Faults {
    pub fn hold_answer(&mut self, action: &str) {
        self.held_answers.insert(action.to_owned());
    }

    pub fn hold_before(&mut self, action: &str) {
        self.held_before.insert(action.to_owned());
    }

    pub fn refuse(&mut self, action: &str, code: &str, times: u32) {
        self.refusals.insert(action.to_owned(), (code.to_owned(), times));
    }

    pub fn answer_instead(&mut self, action: &str, about: &str, body: &str, times: u32) {
        let (action, about, body) = (action.to_owned(), about.to_owned(), body.to_owned());
        self.instead.push(Instead { action, about, body, left: times });
    }

    /// Decides on a call with these parameters, and counts down what is for some calls only.
    pub fn verdict(&mut self, action: &str, form: &[(String, String)]) -> Verdict {
        let is_meant = |instead: &&mut Instead| {
            instead.left > 0 && instead.action == action && form.iter().any(|(_, sent)| *sent == instead.about)
        };
        if let Some(instead) = self.instead.iter_mut().find(is_meant) {
            instead.left -= 1;
            return Verdict::Instead { body: instead.body.clone() };
        }
        if self.held_before.contains(action) {
            return Verdict::HoldBefore;
        }
        if let Some((code, left)) = self.refusals.get_mut(action).filter(|(_, left)| *left > 0) {
            *left -= 1;
            return Verdict::Refuse { code: code.clone() };
        }
        if self.held_answers.contains(action) { Verdict::HoldAnswer } else { Verdict::Pass }
    }
}

/// EC2's own shape of an error, and the status that goes with the code.
pub fn ec2_error(code: &str) -> (u16, String) {
    let status = match code {
        "RequestLimitExceeded" | "Unavailable" | "ServiceUnavailable" => 503,
        "InternalError" | "InternalFailure" => 500,
        "UnauthorizedOperation" | "AuthFailure" => 403,
        _ => 400,
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
         <Message>{code}, because a test wants it</Message></Error></Errors><RequestID>of-a-test</RequestID></Response>"
    );
    (status, body)
}
