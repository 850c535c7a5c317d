//! The codes of everything that the API refuses. A code stays what it is for ever; docs/api.md has the same table.

use http::StatusCode;

/// What programs go by when they are refused.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The status that it comes with.
    pub status: StatusCode,
    /// The code itself.
    pub code: &'static str,
    /// The same for people.
    pub title: &'static str,
}

macro_rules! codes {
    ($($name:ident: $status:ident $code:literal $title:literal;)+) => {
        $(#[doc = $title] pub const $name: Code = Code { status: StatusCode::$status, code: $code, title: $title };)+
        /// Every code.
        pub const ALL: &[Code] = &[$($name),+];
    };
}

codes! {
    MALFORMED: BAD_REQUEST "malformed" "The request makes no sense";
    TWO_CREDENTIALS: BAD_REQUEST "two_credentials" "Two credentials at once";
    NO_TOKEN: UNAUTHORIZED "no_token" "Nothing was shown";
    KEY_REFUSED: UNAUTHORIZED "key_refused" "Key refused";
    TOKEN_REFUSED: UNAUTHORIZED "token_refused" "Token refused";
    UNKNOWN_MEMBER: FORBIDDEN "unknown_member" "Not a member";
    SCOPE_MISSING: FORBIDDEN "scope_missing" "Not with this key";
    ADMINISTRATORS_ONLY: FORBIDDEN "administrators_only" "For administrators alone";
    NO_RESOURCES: FORBIDDEN "no_resources" "No resources";
    ADDRESS_BY_HAND: FORBIDDEN "address_by_hand" "An address by hand is not taken";
    BREAK_GLASS_REFUSED: FORBIDDEN "break_glass_refused" "The approval may not be done without";
    NOBODY_TO_APPROVE: FORBIDDEN "nobody_to_approve" "Nobody could approve it";
    APPROVAL_NEEDED: FORBIDDEN "approval_needed" "More time takes an approval";
    CLOSED: FORBIDDEN "closed" "Closed by an administrator";
    OUTSIDE_HOURS: FORBIDDEN "outside_hours" "Outside of the hours of a role";
    REFUSED: FORBIDDEN "refused" "Refused";
    NOT_FOUND: NOT_FOUND "not_found" "There is nothing here";
    SESSION_UNKNOWN: NOT_FOUND "session_unknown" "No such session";
    METHOD_NOT_ALLOWED: METHOD_NOT_ALLOWED "method_not_allowed" "Not with this method";
    TIMED_OUT: REQUEST_TIMEOUT "timed_out" "Too late";
    TOO_MANY_SESSIONS: CONFLICT "too_many_sessions" "Too many sessions";
    SESSION_AMBIGUOUS: CONFLICT "session_ambiguous" "More than one session";
    SESSION_OVER: CONFLICT "session_over" "The session is over";
    SESSION_NOT_OPEN: CONFLICT "session_not_open" "The session is not open";
    AT_THE_LIMIT: CONFLICT "at_the_limit" "As long as it may be";
    TOO_LARGE: PAYLOAD_TOO_LARGE "too_large" "Too much at once";
    UNSUPPORTED_MEDIA_TYPE: UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "Not JSON";
    DURATION_REFUSED: UNPROCESSABLE_ENTITY "duration_refused" "Duration refused";
    ADDRESS_REFUSED: UNPROCESSABLE_ENTITY "address_refused" "Address refused";
    ADDRESS_DOUBTFUL: UNPROCESSABLE_ENTITY "address_doubtful" "Your address is not certain";
    NO_GLASS_TO_BREAK: UNPROCESSABLE_ENTITY "no_glass_to_break" "No approval to do without";
    IDEMPOTENCY_KEY_REUSED: UNPROCESSABLE_ENTITY "idempotency_key_reused" "One Idempotency-Key for two requests";
    TOO_MANY_REQUESTS: TOO_MANY_REQUESTS "too_many_requests" "Too many requests";
    NOT_OPENING: SERVICE_UNAVAILABLE "not_opening" "Nothing is opened for now";
    ISSUER_UNAVAILABLE: SERVICE_UNAVAILABLE "issuer_unavailable" "The issuer is away";
    UNAVAILABLE: SERVICE_UNAVAILABLE "unavailable" "Not now";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_guide_has_every_code_with_its_status_and_no_other() {
        let guide = include_str!("../../../docs/api.md");
        let (_, table) = guide.split_once("## Codes").expect("the guide's table of codes");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"));
        let told: BTreeSet<_> = rows.filter_map(|(status, rest)| Some(format!("{status} {}", rest.split_once('`')?.0))).collect();
        let ours: BTreeSet<_> = ALL.iter().map(|code| format!("{} {}", code.status.as_u16(), code.code)).collect();
        assert_eq!(told, ours);
    }
}
