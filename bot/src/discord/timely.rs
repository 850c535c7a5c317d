//! Answers within the three seconds that Discord waits: whatever takes longer is promised, and follows, by the interaction's token
//! while that lives, and after that in a direct message.

use std::time::{Duration, Instant};

use serenity::builder::{CreateInteractionResponse, CreateInteractionResponseMessage};
use serenity::model::application::Interaction;
use serenity::model::id::UserId;
use tokio::task::JoinHandle;

use super::DiscordState;
use super::components::Content;
use super::interaction::{Answer, answer};
use crate::chat::{Chat, ChatError};

/// What is left of the three seconds belongs to the network.
const AT_ONCE: Duration = Duration::from_millis(2000);
/// How long an interaction's token lives.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long an answer that was promised is tried for.
const TRIED_FOR: Duration = Duration::from_secs(20 * 60);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Where an answer that was promised goes.
struct Asked {
    token: String,
    user: UserId,
    at: Instant,
}

/// What to tell Discord at once. None where the work failed: Discord says so itself.
pub async fn respond(state: &DiscordState, interaction: Interaction) -> Option<CreateInteractionResponse> {
    let asked = asked(&interaction);
    let mut working = tokio::spawn({
        let state = state.clone();
        async move { answer(&state, interaction).await }
    });
    match (tokio::time::timeout(AT_ONCE, &mut working).await, asked) {
        (Ok(answer), _) => answer.ok().map(Answer::response),
        // Suggestions that come late are of no use.
        (Err(_), None) => None,
        (Err(_), Some(asked)) => {
            tokio::spawn(keep_promise(state.clone(), asked, working));
            Some(CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(true)))
        }
    }
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

async fn keep_promise(state: DiscordState, asked: Asked, working: JoinHandle<Answer>) {
    let kept = match working.await {
        Ok(Answer::Whisper(content)) => deliver(&state, &asked, *content).await,
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
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            done => return done,
        }
    }
}
