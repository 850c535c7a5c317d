//! What people do: the way from a command to a confirmed address.

use super::{Browser, Page, World};
use crate::eventually::{SOON, eventually};
use crate::slack::{SlackAnswer, link_in};

/// A session that somebody has asked for and confirmed.
#[derive(Debug)]
pub struct Started {
    /// What Slack showed after the command.
    pub answer: SlackAnswer,
    /// The one-time link.
    pub link: String,
    /// The page after the confirmation.
    pub page: Page,
}

impl World {
    /// A browser that the server sees at this address. Take a real one: the product refuses private and reserved ranges.
    pub fn browser(&self, ip: &str) -> Browser {
        Browser::at(ip)
    }

    /// Somebody asks for a session in Slack, and confirms the address in a browser there.
    pub async fn start_session(&self, user: &str, duration: &str, from_ip: &str) -> Started {
        let (answer, link) = self.ask_for_session(user, duration).await;
        let page = self.confirm(&link, from_ip).await;
        Started { answer, link, page }
    }

    /// Only the first half: the answer and the link that nobody has opened yet.
    pub async fn ask_for_session(&self, user: &str, duration: &str) -> (SlackAnswer, String) {
        let answer = self.slack.command(user, &format!("start {duration}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let link = self.link_after(&answer).await;
        (answer, link)
    }

    /// Opens the link and presses the page's button.
    pub async fn confirm(&self, link: &str, from_ip: &str) -> Page {
        let browser = self.browser(from_ip);
        let page = browser.open(link).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let confirmed = browser.submit(&page, &[]).await;
        assert!(confirmed.status < 400, "{}: {}", confirmed.status, confirmed.body);
        confirmed
    }

    /// Waits until whoever gave a command or pressed a button is shown this, wherever only they see it.
    pub async fn wait_until_told(&self, answer: &SlackAnswer, words: &str) {
        eventually(&format!("{} is told {words:?}", answer.user), self.patience, async || {
            let shown = self.shown_to(answer);
            let texts: Vec<_> = shown.iter().map(crate::slack::text_of).collect();
            if texts.iter().any(|text| text.contains(words)) { Ok(()) } else { Err(texts.join("\n---\n")) }
        })
        .await;
    }

    /// What a command or a press led to that only this person sees: the answer, what followed it, whispers, direct messages.
    fn shown_to(&self, answer: &SlackAnswer) -> Vec<serde_json::Value> {
        let follow_ups = self.slack.follow_ups_of(answer);
        let messages = [self.slack.whispers_to(&answer.user), self.slack.direct_messages_to(&answer.user)].concat();
        let newest_first = messages.into_iter().rev().map(|message| message.content);
        [answer.body.clone()].into_iter().chain(follow_ups).chain(newest_first).collect()
    }

    /// The link that a command led to: in the answer, in what followed it, in a whisper or in a direct message.
    pub async fn link_after(&self, answer: &SlackAnswer) -> String {
        eventually("the command led to a link", SOON, async || {
            self.shown_to(answer).into_iter().find_map(|content| link_in(&content)).ok_or_else(|| answer.text())
        })
        .await
    }
}
