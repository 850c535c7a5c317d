//! Where in Slack a session is shown, and what has been posted there: the text that the store keeps for us.

use serde::{Deserialize, Serialize};

/// Where a session is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The channel that the command came from.
    pub channel: String,
    /// Who gave it: where the app is not in the channel, they get it as a direct message.
    pub user: String,
}

/// What has been posted of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The channel that took it.
    pub channel: Option<String>,
    /// The parent message.
    pub parent: Option<String>,
    /// The message in its thread, with the table.
    pub table: Option<String>,
}

/// What the messages show: edited only when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The parent's content.
    pub parent: Option<String>,
    /// The table's content.
    pub table: Option<String>,
}
