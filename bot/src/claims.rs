//! Claims of identity tokens in each of the forms that issuers write them in: times and flags come as text, too.

use std::collections::BTreeMap;

use entryguard_core::domain::Timestamp;
use serde_json::Value;

/// Everything that a token claims. Only what is read has to be well formed.
pub type RawClaims = BTreeMap<String, Value>;

/// A flag: `true`, or the same as text.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(whether) => Some(*whether),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A time, in whole seconds since 1970: a number, the same as text, or a date and time as RFC 3339 writes it.
pub fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            match is_number {
                true => whole(text.parse().ok()?),
                false => Timestamp::parse(text).map(Timestamp::as_seconds),
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// No time that anybody means is further away, and none of those loses a second as a fraction.
fn whole(seconds: f64) -> Option<i64> {
    (0.0..1e15).contains(&seconds).then_some(seconds as i64)
}

/// When a token was issued, and for how long it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `iat`.
    pub issued: i64,
    /// `exp`.
    pub expires: i64,
    // `nbf`, where it is claimed.
    begins: Option<i64>,
}

/// Why a token is not good now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotValid {
    /// `exp`, `iat` or `nbf` is no time.
    Unreadable(&'static str),
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYet,
    /// It says that it was issued later than now.
    FromTheFuture,
}

impl Validity {
    /// Reads it.
    pub fn of(claims: &RawClaims) -> Result<Self, NotValid> {
        let read = |name: &'static str| claims.get(name).and_then(seconds).ok_or(NotValid::Unreadable(name));
        let begins = claims.get("nbf").map(|_| read("nbf")).transpose()?;
        Ok(Self { issued: read("iat")?, expires: read("exp")?, begins })
    }

    /// Whether it is good now: clocks may be `apart` seconds apart, and it may be taken `late` seconds after its end.
    pub fn at(self, now: Timestamp, apart: i64, late: i64) -> Result<(), NotValid> {
        let now = now.as_seconds();
        if now >= self.expires.saturating_add(late) {
            return Err(NotValid::Expired);
        }
        if self.begins.is_some_and(|begins| begins > now.saturating_add(apart)) {
            return Err(NotValid::NotYet);
        }
        if self.issued > now.saturating_add(apart) {
            return Err(NotValid::FromTheFuture);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_and_times_are_read_in_each_form_that_issuers_write() {
        for (value, read) in [
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!("True"), Some(true)),
            (json!(false), Some(false)),
            (json!("false"), Some(false)),
            (json!("yes"), None),
            (json!("1"), None),
            (json!(1), None),
            (json!(null), None),
            (json!([true]), None),
        ] {
            assert_eq!(flag(&value), read, "{value}");
        }
        for (value, read) in [
            (json!(1_767_268_800), Some(1_767_268_800)),
            (json!(1_767_268_800.9), Some(1_767_268_800)),
            (json!(1.7672688e9), Some(1_767_268_800)),
            (json!("1767268800"), Some(1_767_268_800)),
            (json!("1767268800.9"), Some(1_767_268_800)),
            (json!("2026-01-01T12:00:00Z"), Some(1_767_268_800)),
            (json!("2026-01-01T12:00:00.000Z"), Some(1_767_268_800)),
            (json!("2026-01-01T13:00:00+01:00"), Some(1_767_268_800)),
            (json!(1e300), None),
            (json!("1.2.3"), None),
            (json!("."), None),
            (json!("inf"), None),
            (json!("soon"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(true), None),
            (json!([1]), None),
        ] {
            assert_eq!(seconds(&value), read, "{value}");
        }
    }

    #[test]
    fn a_token_is_good_from_when_it_begins_until_it_ends_in_whatever_form_it_says_so() {
        let now = Timestamp::from_millis(1_767_268_800_000);
        let at = |issued: &Value, expires: &Value, begins: Option<&Value>| {
            let mut claims = RawClaims::from([("iat".to_owned(), issued.clone()), ("exp".to_owned(), expires.clone())]);
            claims.extend(begins.map(|begins| ("nbf".to_owned(), begins.clone())));
            Validity::of(&claims)?.at(now, 60, 0)
        };
        let (noon, later, soon, before) = (1_767_268_800_i64, json!(1_767_272_400), json!("1767268801"), json!("1767268799.5"));
        assert_eq!(at(&json!(noon), &later, None), Ok(()));
        assert_eq!(at(&json!("2026-01-01T12:00:59Z"), &soon, Some(&json!(noon + 60))), Ok(()));
        assert_eq!(at(&json!(noon - 300), &before, None), Err(NotValid::Expired));
        assert_eq!(at(&json!(noon - 300), &json!(noon), None), Err(NotValid::Expired));
        assert_eq!(at(&json!((noon + 61).to_string()), &later, None), Err(NotValid::FromTheFuture));
        assert_eq!(at(&json!(noon), &later, Some(&json!((noon + 61).to_string()))), Err(NotValid::NotYet));
        assert_eq!(at(&json!(noon), &json!("never"), None), Err(NotValid::Unreadable("exp")));
        assert_eq!(at(&json!(null), &later, None), Err(NotValid::Unreadable("iat")));
        assert_eq!(at(&json!(noon), &later, Some(&json!({}))), Err(NotValid::Unreadable("nbf")));
    }
}
