//! App Home: everything of one person's, in one place.

use entryguard_core::command::Conversation;
use entryguard_core::domain::Timestamp;
use entryguard_core::reply::message::{Action, Button, Message};
use entryguard_core::reply::{Card, Home, brief, last_time, quoting, request, resource_lines, thread};
use slack_morphism::prelude::{
    SlackBlock, SlackBlockPlainTextOnly, SlackDividerBlock, SlackHeaderBlock, SlackHomeView, SlackView,
};

use super::SlackState;
use super::blocks::{Mrkdwn, actions, context, lines, section};
use crate::chat::{ChatError, key};

/// Sessions that are over and still shown.
const PAST: usize = 3;
/// Sessions that are shown with their buttons.
const LIVE: usize = 10;
/// Requests that are shown.
const ASKED: usize = 10;

/// Shows somebody their home, as it stands now.
pub async fn publish(state: &SlackState, conversation: &Conversation, user: &str) -> Result<(), ChatError> {
    let (view, moves) = match state.shared.engine.home(conversation).await {
        // That a longer time is confirmed is no event, so whoever waits for it looks again.
        Ok(home) => (view(&home, state.shared.engine.now()), home.sessions.iter().any(|card| card.extending_to.is_some())),
        Err(error) => (sentence(&error.to_string()), false),
    };
    let key = key(&view);
    let shown = if state.homes.shows(user, key.as_deref()) { Ok(()) } else { show(state, user, view).await };
    // A Slack that is away gets it in a later round; what it refuses is refused then, too.
    let away = matches!(shown, Err(ChatError::Unreachable(_) | ChatError::RateLimited(_)));
    state.homes.drawn(user, key.filter(|_| shown.is_ok()), moves || away);
    shown
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
    // Whoever may open nothing is offered nothing.
    let start = (!home.resources.is_empty()).then(|| actions(&[Button::primary(Action::OpenForm, "Start a session")]));
    all.extend(start);
    let (live, past): (Vec<_>, Vec<_>) = home.sessions.iter().partition(|card| card.status.is_live());
    if live.is_empty() {
        all.push(section("Nothing is open for you."));
    }
    all.extend(live.iter().take(LIVE).flat_map(|card| session(card)));
    let more = live.len().saturating_sub(LIVE);
    all.extend((more > 0).then(|| context(&format!("… and {more} more: `/entryguard list`."))));
    if !past.is_empty() {
        let briefs: Vec<_> = past.iter().take(PAST).map(|card| brief(card, &Mrkdwn)).collect();
        all.push(context(&format!("Before that:\n{}", briefs.join("\n"))));
    }
    all.extend(requests(&home.requests));
    all.push(SlackDividerBlock::new().into());
    all.push(header("Your resources"));
    match home.resources.is_empty() {
        true => all.push(section("None of your roles has any. If you need one, ask an administrator.")),
        false => all.extend(lines(&resource_lines(&home.resources, &Mrkdwn))),
    }
    all.push(SlackDividerBlock::new().into());
    let address = match &home.remembered {
        Some(remembered) => format!("Your last confirmed address: {}.", last_time(remembered, now)),
        None => "You have confirmed no address lately.".to_owned(),
    };
    all.push(context(&format!("{address} You are *{}*.", super::blocks::escape(home.member.as_str()))));
    SlackView::Home(SlackHomeView::new(all))
}

/// What others ask for; the first of them, and how many more there are.
fn requests(cards: &[Card]) -> Vec<SlackBlock> {
    if cards.is_empty() {
        return Vec::new();
    }
    let mut all = vec![SlackDividerBlock::new().into(), header("Waiting for your answer")];
    for card in cards.iter().take(ASKED) {
        let Message { lines: facts, buttons, .. } = request(card, &Mrkdwn);
        all.extend(lines(&facts));
        all.push(actions(&buttons));
    }
    let more = cards.len().saturating_sub(ASKED);
    all.extend((more > 0).then(|| context(&format!("… and {more} more, each in a direct message."))));
    all
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
