//! What people are told in every chat alike: the tests of each look for the same words.

/// To somebody whom the configuration does not name.
pub const UNKNOWN: &str = "does not know you";
/// To a program.
pub const NO_BOTS: &str = "no bots";
/// To whoever means a session that is not theirs.
pub const NO_SESSION: &str = "There is no session";
/// To whoever would approve for themselves.
pub const OWN_REQUEST: &str = "own request";
/// To an approver.
pub const ASKS: &str = "asks to open 1 resource";
