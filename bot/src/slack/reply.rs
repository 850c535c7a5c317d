//! Replies as Slack shows them: to whoever asked, and to nobody else.

use entryguard_core::domain::Timestamp;
use entryguard_core::reply::{self, Reply};
use slack_morphism::prelude::SlackMessageContent;

use super::blocks::{Mrkdwn, content};

/// A reply as a message.
pub fn render(reply: &Reply, public_url: &str, now: Timestamp) -> SlackMessageContent {
    content(&reply::words(reply, public_url, now, &Mrkdwn))
}

/// It was not done, and why.
pub fn refused(why: &str) -> SlackMessageContent {
    content(&reply::refused(why, &Mrkdwn))
}
