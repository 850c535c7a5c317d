//! Replies in Slack's markup: shown to whoever asked, and to nobody else.

use entryguard_core::engine::Link;
use entryguard_core::reply::{Card, HelpLine, Reply};
use slack_morphism::prelude::{
    SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockButtonStyle, SlackBlockPlainTextOnly, SlackMessageContent,
};

use super::blocks::{escape, lines, message, section, session_status, time};

/// A reply as a message.
pub fn render(reply: &Reply, public_url: &str) -> SlackMessageContent {
    match reply {
        Reply::Confirm(link) => confirm(link, public_url),
        Reply::Stopping(cards) => {
            listed("Closing", &cards.iter().map(|card| format!("Closing {}", brief(card))).collect::<Vec<_>>())
        }
        Reply::Extending { card, capped_by } => {
            let end = card.extending_to.unwrap_or(card.expires_at);
            let cap = capped_by.as_ref().map(|limit| format!(" That is the limit: {}, set by {}.", limit.longest, limit.set_by));
            let text = format!("Extending session `{}` to {}.{}", card.session.short(), time(end), cap.unwrap_or_default());
            listed("Extending", &[text])
        }
        Reply::Sessions(cards) if cards.is_empty() => {
            listed("No sessions", &["You have no sessions. `start 2h` opens one.".to_owned()])
        }
        Reply::Sessions(cards) => listed("Your sessions", &cards.iter().map(brief).collect::<Vec<_>>()),
        Reply::Session(card) => {
            listed("Session", &std::iter::once(brief(card)).chain(super::thread::rows(card)).collect::<Vec<_>>())
        }
        Reply::Resources(resources) if resources.is_empty() => {
            refused("User has no accessible cloud resources: none of your roles has any.")
        }
        Reply::Resources(resources) => {
            let row = |resource: &entryguard_core::domain::Resource| {
                format!(
                    "• *{}* — {}, `{}`",
                    resource.name,
                    resource.kind_words().1.replace('_', " "),
                    escape(&resource.provider_id())
                )
            };
            listed("Your resources", &resources.iter().map(row).collect::<Vec<_>>())
        }
        Reply::Whoami { member, identity, limit, admin } => {
            let admin = if *admin { ", an administrator" } else { "" };
            let text = format!(
                "You are *{member}*{admin} (`{identity}`). Your sessions may last {} (set by {}).",
                limit.longest, limit.set_by
            );
            listed("Who you are", &[text])
        }
        Reply::Help(help) => listed("Help", &help.iter().map(help_line).collect::<Vec<_>>()),
        Reply::Refused(why) => refused(why),
    }
}

/// It was not done, and why.
pub fn refused(why: &str) -> SlackMessageContent {
    message(why, lines(&[escape(why)]))
}

fn confirm(link: &Link, public_url: &str) -> SlackMessageContent {
    let text = format!("Confirm your address to open {}.", link.offer);
    let note = format!(
        "Slack does not tell your address; the page behind this button sees it. The link works once, until {}.",
        time(link.expires_at)
    );
    let url = format!("{public_url}/confirm/{}", link.token.expose());
    // A link that we made ourselves from a checked public URL and hexadecimal digits always parses.
    let Ok(url) = url.parse() else { return refused("The public URL of this EntryGuard is not one; tell whoever runs it.") };
    let button = SlackBlockButtonElement::new(SlackBlockPlainTextOnly::from("Confirm my address"))
        .with_action_id("entryguard_confirm".into())
        .with_url(url)
        .with_style(SlackBlockButtonStyle::Primary);
    let actions: SlackBlock = SlackActionsBlock::new(vec![button.into()]).into();
    message(&text, vec![section(&text), actions, section(&note)])
}

fn brief(card: &Card) -> String {
    let until = match &card.ended {
        Some((_, at, _)) => format!("ended {}", time(*at)),
        None => format!("until {}", time(card.expires_at)),
    };
    let many = if card.resources == 1 { "resource" } else { "resources" };
    format!(
        "{} `{}` · {} {many} · {} · {until}",
        session_status(card.status),
        card.session.short(),
        card.resources,
        card.addresses
    )
}

fn help_line(line: &HelpLine) -> String {
    format!("`/entryguard {}` {}", line.usage, line.does)
}

fn listed(text: &str, all: &[String]) -> SlackMessageContent {
    message(text, lines(all))
}
