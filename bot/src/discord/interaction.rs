//! Commands, presses and forms: each acts for whoever made it, with that person's rights, and is answered to them alone.

use entryguard_core::command::{Command, Conversation};
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::Action;
use entryguard_core::reply::{self, Reply};
use serenity::builder::{CreateAutocompleteResponse, CreateInteractionResponse, CreateInteractionResponseMessage, CreateModal};
use serenity::model::application::Interaction;
use serenity::model::guild::Member;
use serenity::model::id::{ChannelId, GuildId};
use serenity::model::user::User;

use super::components::{Content, Markdown, action, content};
use super::{DiscordState, command, form};
use crate::chat::Place;

/// What Discord is to do.
pub enum Answer {
    /// It only wanted to know whether we are there.
    Pong,
    /// Show this to whoever asked, and to nobody else.
    Whisper(Box<Content>),
    /// Nothing: the thread shows what came of it.
    Nothing,
    /// Open a form.
    Form(Box<CreateModal>),
    /// Offer these while somebody types.
    Suggest(Vec<(String, String)>),
}

impl Answer {
    /// As Discord takes it.
    pub fn response(self) -> CreateInteractionResponse {
        match self {
            Self::Pong => CreateInteractionResponse::Pong,
            Self::Whisper(content) => CreateInteractionResponse::Message(
                CreateInteractionResponseMessage::new().embed(content.embed).components(content.rows).ephemeral(true),
            ),
            Self::Nothing => CreateInteractionResponse::Acknowledge,
            Self::Form(modal) => CreateInteractionResponse::Modal(*modal),
            Self::Suggest(choices) => {
                let none = CreateAutocompleteResponse::new();
                let all = choices.into_iter().take(25).fold(none, |all, (name, value)| all.add_string_choice(name, value));
                CreateInteractionResponse::Autocomplete(all)
            }
        }
    }
}

/// Takes an interaction.
pub async fn answer(state: &DiscordState, interaction: Interaction) -> Answer {
    match interaction {
        Interaction::Ping(_) => Answer::Pong,
        Interaction::Command(asked) => {
            match talk(state, asked.guild_id, &asked.user, asked.member.as_deref(), asked.channel_id).await {
                Ok(talk) => in_words(state, &state.shared.engine.answer_read(&talk, command::read(&asked.data)).await),
                Err(why) => in_words(state, &Reply::Refused(why)),
            }
        }
        Interaction::Autocomplete(asked) => {
            match talk(state, asked.guild_id, &asked.user, asked.member.as_deref(), asked.channel_id).await {
                Ok(talk) => Answer::Suggest(command::suggest(&state.shared.engine, &talk, &asked.data).await),
                Err(_) => Answer::Suggest(Vec::new()),
            }
        }
        Interaction::Component(pressed) => {
            let Some(action) = action(&pressed.data) else { return Answer::Nothing };
            match talk(state, pressed.guild_id, &pressed.user, pressed.member.as_ref(), pressed.channel_id).await {
                Ok(talk) => press(state, &talk, action).await,
                Err(why) => in_words(state, &Reply::Refused(why)),
            }
        }
        Interaction::Modal(sent) => match talk(state, sent.guild_id, &sent.user, sent.member.as_ref(), sent.channel_id).await {
            Ok(talk) => submit(state, &talk, &form::filled(&sent.data)).await,
            Err(why) => in_words(state, &Reply::Refused(why)),
        },
        _ => Answer::Nothing,
    }
}

/// Who talks to us, and where a session that begins here is shown.
async fn talk(
    state: &DiscordState,
    guild: Option<GuildId>,
    user: &User,
    member: Option<&Member>,
    channel: ChannelId,
) -> Result<Conversation, String> {
    let identity: Identity = state.memberships.who(state, guild, user, member).await?;
    let user = user.id.to_string();
    // Of direct messages, the channel has an id, too; what counts is the person.
    let channel = guild.map_or_else(|| user.clone(), |_| channel.to_string());
    Ok(Conversation { identity, surface: Surface::Discord, place: Place { channel, user }.stored() })
}

/// Does what a button is for. The thread tells everybody else.
async fn press(state: &DiscordState, talk: &Conversation, action: Action) -> Answer {
    if action == Action::OpenForm {
        return match state.shared.engine.start_form(talk).await {
            Ok(offered) => Answer::Form(Box::new(form::modal(&offered, state.shared.engine.now()))),
            Err(error) => in_words(state, &Reply::Refused(error.to_string())),
        };
    }
    let silent = action.is_seen_in_thread();
    let Some(command) = Command::of_press(action) else { return Answer::Nothing };
    let reply = state.shared.engine.answer(talk, command).await;
    if silent && !matches!(reply, Reply::Refused(_)) { Answer::Nothing } else { in_words(state, &reply) }
}

async fn submit(state: &DiscordState, talk: &Conversation, form: &entryguard_core::command::FilledForm) -> Answer {
    match state.shared.engine.submit_form(talk, form).await {
        Ok(reply) => in_words(state, &reply),
        // Discord shows nothing beside a field of a form, so it is said in its place.
        Err(wrong) => {
            let why: Vec<_> = wrong.iter().map(|error| error.why.clone()).collect();
            in_words(state, &Reply::Refused(why.join("\n")))
        }
    }
}

/// A reply, to whoever asked alone.
pub fn in_words(state: &DiscordState, reply: &Reply) -> Answer {
    let message = reply::words(reply, &state.shared.server.public_url, state.shared.engine.now(), &Markdown);
    Answer::Whisper(Box::new(content(&message)))
}
