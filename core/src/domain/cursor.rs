//! A place in a list of sessions, to go on from.

use std::fmt;
use std::str::FromStr;

use super::{Session, SessionId, Timestamp};

/// The place after a session, in a list with the newest first. A session that starts meanwhile moves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    /// When the session started.
    pub started_at: Timestamp,
    /// The session.
    pub id: SessionId,
}

/// Why a text is no place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of ours; begin again without it")]
pub struct NoCursor;

impl SessionCursor {
    /// The place after a session.
    pub fn after(session: &Session) -> Self {
        Self { started_at: session.started_at, id: session.id.clone() }
    }
}

impl FromStr for SessionCursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (started_at, id) = text.split_once('.').ok_or(NoCursor)?;
        let started_at = started_at.parse().map(Timestamp::from_millis).map_err(|_| NoCursor)?;
        let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if is_id { Ok(Self { started_at, id: SessionId::from_stored(id) }) } else { Err(NoCursor) }
    }
}

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started_at.as_millis(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = SessionCursor { started_at: Timestamp::from_millis(17), id: SessionId::from_stored("0f-a1") };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "17", "17.", "x.0f", "17.0f' OR", "17.zz"] {
            assert_eq!(text.parse::<SessionCursor>(), Err(NoCursor), "{text}");
        }
    }
}
