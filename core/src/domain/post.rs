//! What a chat shows of a session.

/// What a post is, and so what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostKind {
    /// The session's thread, where it was asked for.
    Thread,
    /// What somebody is shown who may agree to it.
    Request,
    /// What those are shown who have to know that it was started without approval.
    Alarm,
}

impl PostKind {
    /// The kind's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Thread => "THREAD",
            Self::Request => "REQUEST",
            Self::Alarm => "ALARM",
        }
    }

    /// The kind of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Thread, Self::Request, Self::Alarm].into_iter().find(|kind| kind.as_str() == text)
    }
}
