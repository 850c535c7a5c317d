//! What failed, for programs: the problem that the server told, or one of the same form. docs/command-line.md has the codes.

use serde_json::{Value, json};

use super::access::AccessError;
use super::api::ApiError;

/// A failure of the client's own, which no server has told.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    code: &'static str,
    detail: String,
}

/// What did not close, by its name.
#[derive(Debug, thiserror::Error)]
#[error("not all is closed; {}", one_line(.0))]
pub struct NotAllClosed(pub Vec<(String, anyhow::Error)>);

impl Failure {
    /// A failure, with its stable code.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// The failure as a problem (RFC 9457): `code` for programs, `detail` for people, and `status` where the server answered.
pub fn as_json(error: &anyhow::Error) -> Value {
    let mut problem = told(error);
    problem["detail"] = Value::String(format!("{error:#}"));
    problem
}

fn told(error: &anyhow::Error) -> Value {
    for cause in error.chain() {
        if let Some(NotAllClosed(failed)) = cause.downcast_ref() {
            let of = |(session, error): &(String, anyhow::Error)| {
                let mut problem = as_json(error);
                problem["session"] = Value::String(session.clone());
                problem
            };
            return json!({ "code": "not_all_closed", "failed": failed.iter().map(of).collect::<Vec<_>>() });
        }
        match cause.downcast_ref() {
            Some(ApiError::Refused { problem, .. }) => return problem.clone(),
            Some(ApiError::Silent { .. }) => return json!({ "code": "no_answer" }),
            Some(ApiError::Senseless(_)) => return json!({ "code": "senseless_answer" }),
            None => {}
        }
        if cause.downcast_ref::<AccessError>().is_some() {
            return json!({ "code": "not_configured" });
        }
        if let Some(Failure { code, .. }) = cause.downcast_ref() {
            return json!({ "code": code });
        }
    }
    json!({ "code": "failed" })
}

/// One line that names each of them.
fn one_line(failed: &[(String, anyhow::Error)]) -> String {
    let each: Vec<_> = failed.iter().map(|(name, error)| format!("{name}: {error:#}")).collect();
    each.join("; ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_program_is_told_the_code_whatever_was_said_around_it() {
        let problem =
            json!({ "status": 409, "code": "session_over", "title": "The session is over", "detail": "Over.", "requestId": "r" });
        let refused = ApiError::Refused {
            status: http::StatusCode::CONFLICT,
            detail: "Over.".to_owned(),
            come_again: None,
            problem: problem.clone(),
        };
        let error = Err::<(), _>(refused).context("session 1a2b3c4d goes on").unwrap_err();
        let mut expected = problem;
        expected["detail"] = Value::from("session 1a2b3c4d goes on: Over.");
        assert_eq!(as_json(&error), expected);
        let none = anyhow::Error::from(AccessError::NoUrl);
        let both = anyhow::Error::from(NotAllClosed(vec![("1a2b3c4d".to_owned(), error), ("all".to_owned(), none)]));
        let told = as_json(&both);
        assert_eq!((&told["code"], &told["failed"][0]["code"]), (&json!("not_all_closed"), &json!("session_over")), "{told:#}");
        assert_eq!(
            (&told["failed"][1]["session"], &told["failed"][1]["code"]),
            (&json!("all"), &json!("not_configured")),
            "{told:#}"
        );
        assert_eq!(as_json(&anyhow::anyhow!("no")), json!({ "code": "failed", "detail": "no" }));
        assert_eq!(as_json(&Failure::new("timed_out", "late").into()), json!({ "code": "timed_out", "detail": "late" }));
    }
}
