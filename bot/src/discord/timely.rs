//! Answers within the three seconds that Discord waits: whatever takes longer is promised, and follows, by the interaction's token
//! while that lives, and after that in a direct message.

use std::time::{Duration, Instant};

use entryguard_core::reply::Reply;
use serenity::builder::{CreateInteractionResponse, CreateInteractionResponseMessage};
use serenity::model::application::Interaction;
use serenity::model::id::UserId;
use tokio::task::JoinHandle;

use super::DiscordState;
use super::components::Content;
use super::interaction::{Answer, answer, in_words};
use crate::chat::{Chat, ChatError};

/// What is left of the three seconds belongs to the network.
const AT_ONCE: Duration = Duration::from_millis(2000);
/// How long an interaction's token lives.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long an answer that was promised is tried for.
const TRIED_FOR: Duration = Duration::from_secs(20 * 60);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is said where the work broke off.
const FAILED: &str =
    "EntryGuard could not do that: something went wrong on our side. Try again; if it goes on, ask an administrator.";
/// A form opens at once or not at all.
const TOO_LATE: &str = "That took too long for Discord to open the form. Press the button again.";

/// Why an interaction was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It was taken before.
    Repeated,
    /// Nobody can say whether it was.
    Unchecked,
}

type Worked = Result<Answer, NotTaken>;

/// Where an answer that was promised goes.
struct Asked {
    token: String,
    user: UserId,
    at: Instant,
}

/// What to tell Discord at once. An interaction is taken once, by its name: that, too, is work that may take longer.
pub async fn respond(
    state: &DiscordState,
    interaction: Interaction,
    name: String,
) -> Result<CreateInteractionResponse, NotTaken> {
    let (asked, late) = (asked(&interaction), late(&interaction));
    let mut working = tokio::spawn({
        let state = state.clone();
        async move { work(&state, interaction, &name).await }
    });
    match (tokio::time::timeout(AT_ONCE, &mut working).await, asked) {
        (Ok(Ok(worked)), _) => worked.map(Answer::response),
        (Ok(Err(_)), Some(_)) => Ok(in_words(state, &failed()).response()),
        (Ok(Err(_)) | Err(_), None) => Ok(late.response()),
        (Err(_), Some(asked)) => {
            tokio::spawn(keep_promise(state.clone(), asked, working));
            Ok(CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(true)))
        }
    }
}

async fn work(state: &DiscordState, interaction: Interaction, name: &str) -> Worked {
    match state.shared.engine.accept_once(name).await {
        Ok(true) => Ok(answer(state, interaction).await),
        Ok(false) => Err(NotTaken::Repeated),
        Err(error) => {
            tracing::error!(error = ?error, "an interaction could not be checked for repetition");
            Err(NotTaken::Unchecked)
        }
    }
}

/// What is said to whoever cannot be promised anything: suggestions that come late are of no use, and none are better than an error.
fn late(interaction: &Interaction) -> Answer {
    match interaction {
        Interaction::Ping(_) => Answer::Pong,
        _ => Answer::Suggest(Vec::new()),
    }
}

fn failed() -> Reply {
    Reply::Refused(FAILED.to_owned())
}

fn asked(interaction: &Interaction) -> Option<Asked> {
    let (token, user) = match interaction {
        Interaction::Command(command) => (&command.token, command.user.id),
        Interaction::Component(component) => (&component.token, component.user.id),
        Interaction::Modal(modal) => (&modal.token, modal.user.id),
        _ => return None,
    };
    Some(Asked { token: token.clone(), user, at: Instant::now() })
}

async fn keep_promise(state: DiscordState, asked: Asked, working: JoinHandle<Worked>) {
    let answer = match working.await {
        Ok(Ok(Answer::Form(_))) => in_words(&state, &Reply::Refused(TOO_LATE.to_owned())),
        Ok(Ok(answer)) => answer,
        // The answer to the first of them stands.
        Ok(Err(NotTaken::Repeated)) => return,
        Ok(Err(NotTaken::Unchecked)) | Err(_) => in_words(&state, &failed()),
    };
    let kept = match answer {
        Answer::Whisper(content) => deliver(&state, &asked, *content).await,
        // There is nothing to say: what stands there as a promise goes.
        _ => state.api.withdraw(&asked.token).await,
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "an answer that was promised could not be given in Discord");
    }
}

/// The answer is about one person, so where its place is gone it goes to them directly.
async fn deliver(state: &DiscordState, asked: &Asked, content: Content) -> Result<(), ChatError> {
    let mut wait = Duration::from_secs(1);
    loop {
        let by_token = asked.at.elapsed() < TOKEN_LIFE;
        let sent = match by_token {
            true => state.api.finish(&asked.token, content.clone()).await,
            false => state.api.post_to(&asked.user.to_string(), content.clone()).await.map(drop),
        };
        match sent {
            Err(ChatError::MessageGone(why)) if by_token => {
                tracing::info!(why, "an interaction's token has lapsed; sending a direct message");
                return state.api.post_to(&asked.user.to_string(), content).await.map(drop);
            }
            Err(error @ (ChatError::Unreachable(_) | ChatError::RateLimited(_))) if asked.at.elapsed() < TRIED_FOR => {
                tracing::warn!(%error, "an answer that was promised could not be given yet");
                let asked_for = if let ChatError::RateLimited(Some(asked_for)) = error { asked_for } else { wait };
                tokio::time::sleep(asked_for.max(wait)).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            done => return done,
        }
    }
}
