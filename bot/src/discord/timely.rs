//! Answers within the three seconds that Discord waits: whatever takes longer is promised, and follows, by the interaction's token
//! while that lives, and after that in a direct message.

use std::time::{Duration, Instant};

use entryguard_core::command::Command;
use entryguard_core::domain::PanicScope;
use entryguard_core::reply::{Reply, unavailable};
use serenity::builder::{CreateInteractionResponse, CreateInteractionResponseMessage};
use serenity::model::application::Interaction;
use serenity::model::id::UserId;
use tokio::task::JoinHandle;

use super::components::action;
use super::interaction::{Answer, answer, in_words};
use super::{DiscordState, command};
use crate::chat::{Chat, FAILED, NotTaken, Promise, Taking, at_once};

/// How long an interaction's token lives.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// A form opens at once or not at all.
const TOO_LATE: &str = "That took too long for Discord to open the form. Press the button again.";

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
    let (asked, late, closes) = (asked(&interaction), late(&interaction), closes(&interaction));
    let taking = Taking::new(&state.shared.engine, name);
    let working = {
        let (state, taking, closes) = (state.clone(), taking.clone(), closes.clone());
        async move {
            match taking.take().await {
                Ok(()) => Ok(answer(&state, interaction).await),
                Err(NotTaken::Unchecked(outage)) => Ok(refused(&state, &interaction, unavailable(outage, closes.as_ref()))),
                Err(repeated) => Err(repeated),
            }
        }
    };
    let promised = &state.shared.promised;
    match (at_once(promised, working).await, asked) {
        (Ok(Ok(worked)), _) => worked.map(Answer::response),
        (Ok(Err(_)), Some(_)) => Ok(in_words(state, &failed()).response()),
        (Ok(Err(_)) | Err(_), None) => Ok(late.response()),
        (Err(working), Some(asked)) => {
            promised.spawn(keep_promise(state.clone(), asked, working));
            let defer = || CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(true));
            // The answer that follows takes the place of either.
            let meanwhile = taking.waiting(closes.as_ref()).map(|words| in_words(state, &Reply::Refused(words)).response());
            Ok(meanwhile.unwrap_or_else(defer))
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

/// What is said without the database, wherever words are taken.
fn refused(state: &DiscordState, interaction: &Interaction, why: String) -> Answer {
    match asked(interaction) {
        Some(_) => in_words(state, &Reply::Refused(why)),
        None => late(interaction),
    }
}

/// What it is to close at once, if it is for that.
fn closes(interaction: &Interaction) -> Option<PanicScope> {
    let command = match interaction {
        Interaction::Command(command) => command::read(&command.data).ok(),
        Interaction::Component(pressed) => action(&pressed.data).and_then(Command::of_press),
        _ => None,
    };
    command.as_ref().and_then(Command::closes).cloned()
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
        Ok(Err(NotTaken::Unchecked(_))) | Err(_) => in_words(&state, &failed()),
    };
    let kept = match answer {
        // It is about one person, so where its place is gone it goes to them directly.
        Answer::Whisper(content) => {
            let person = asked.user.to_string();
            let by_token = || state.api.finish(&asked.token, (*content).clone());
            let directly = || async { state.api.post_to(&person, (*content).clone()).await.map(drop) };
            Promise { asked_at: asked.at, life: TOKEN_LIFE }.keep(by_token, directly).await
        }
        // There is nothing to say: what stands there as a promise goes.
        _ => state.api.withdraw(&asked.token).await,
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "an answer that was promised could not be given in Discord");
    }
}
