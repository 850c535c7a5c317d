//! How an address was learnt: the audit log says so of every session.

/// How an address was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearntBy {
    /// The page behind a one-time link saw it.
    Link,
    /// The member confirmed it a while ago, and used it again.
    Remembered,
    /// The member gave it by hand.
    Hand,
    /// The request for the session came from it.
    Request,
    /// The configuration names it, for a schedule.
    Configuration,
}

impl LearntBy {
    /// The way's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Remembered => "remembered",
            Self::Hand => "hand",
            Self::Request => "request",
            Self::Configuration => "configuration",
        }
    }

    /// The way of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Link, Self::Remembered, Self::Hand, Self::Request, Self::Configuration]
            .into_iter()
            .find(|way| way.as_str() == word)
    }
}
