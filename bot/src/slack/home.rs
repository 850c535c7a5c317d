//! App Home: everything of one person's, in one place.

use entryguard_core::command::Conversation;
use entryguard_core::domain::Timestamp;
use entryguard_core::reply::message::{Action, Button};
use entryguard_core::reply::{Card, Home, brief, last_time, quoting, resource_line, thread};
use slack_morphism::prelude::{
    SlackBlock, SlackBlockPlainTextOnly, SlackDividerBlock, SlackHeaderBlock, SlackHomeView, SlackView,
};

use super::SlackState;
use super::blocks::{Mrkdwn, actions, context, lines, section};
use crate::chat::ChatError;

/// Sessions that are over and still shown.
const PAST: usize = 3;

/// Shows somebody their home, as it stands now.
pub async fn publish(state: &SlackState, conversation: &Conversation, user: &str) -> Result<(), ChatError> {
    let view = match state.shared.engine.home(conversation).await {
        Ok(home) => view(&home, state.shared.engine.now()),
        Err(error) => sentence(&error.to_string()),
    };
    show(state, user, view).await
}

/// Tells somebody whom we do not serve why their home is empty.
pub async fn refuse(state: &SlackState, user: &str, why: &str) {
    // What went wrong is in the log, and they can only look again.
    let _ = show(state, user, sentence(why)).await;
}

async fn show(state: &SlackState, user: &str, view: SlackView) -> Result<(), ChatError> {
    let shown = state.api.publish_home(user, view).await;
    shown.inspect_err(|error| tracing::warn!(%error, "a home could not be shown in Slack"))
}

fn sentence(why: &str) -> SlackView {
    SlackView::Home(SlackHomeView::new(vec![section(&quoting(why, &Mrkdwn))]))
}

fn view(home: &Home, now: Timestamp) -> SlackView {
    let mut all = vec![header("Your sessions")];
    all.push(actions(&[Button::primary(Action::OpenForm, "Start a session")]));
    let (live, past): (Vec<_>, Vec<_>) = home.sessions.iter().partition(|card| card.status.is_live());
    if live.is_empty() {
        all.push(section("Nothing is open for you."));
    }
    for card in live {
        all.extend(session(card));
    }
    if !past.is_empty() {
        let briefs: Vec<_> = past.iter().take(PAST).map(|card| brief(card, &Mrkdwn)).collect();
        all.push(context(&format!("Before that:\n{}", briefs.join("\n"))));
    }
    all.push(SlackDividerBlock::new().into());
    all.push(header("Your resources"));
    match home.resources.is_empty() {
        true => all.push(section("None of your roles has any. Ask an administrator for a role with resources.")),
        false => {
            let rows: Vec<_> = home.resources.iter().map(|resource| resource_line(resource, &Mrkdwn)).collect();
            all.extend(lines(&rows));
        }
    }
    all.push(SlackDividerBlock::new().into());
    let address = match &home.remembered {
        Some(remembered) => format!("Your last confirmed address: {}.", last_time(remembered, now)),
        None => "You have confirmed no address lately.".to_owned(),
    };
    all.push(context(&format!("{address} You are *{}*.", super::blocks::escape(home.member.as_str()))));
    // A home takes 100 blocks.
    all.truncate(100);
    SlackView::Home(SlackHomeView::new(all))
}

fn session(card: &Card) -> Vec<SlackBlock> {
    let mut text = brief(card, &Mrkdwn);
    if let Some(reason) = &card.reason {
        text.push_str(&format!("\nReason: {}", super::blocks::escape(reason)));
    }
    vec![section(&text), actions(&thread::buttons(card))]
}

fn header(text: &str) -> SlackBlock {
    SlackHeaderBlock::new(SlackBlockPlainTextOnly::from(text)).into()
}
