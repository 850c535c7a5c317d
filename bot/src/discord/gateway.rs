//! The Gateway: Discord's interactions over a connection that we open, for servers without a public address. The same handlers answer.
//!
//! There is no signature here: the connection is Discord's own, over TLS, for whoever has the bot's token. serenity's client identifies,
//! beats, resumes and opens the next connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use entryguard_core::random::SystemRandom;
use serenity::all::{ClientBuilder, Context, EventHandler, GatewayIntents, Ready, ResumedEvent};
use serenity::async_trait;
use serenity::model::application::Interaction;

use super::DiscordState;
use super::calls::asked;
use super::client::http;
use super::timely::respond;
use crate::chat::{ChatError, Reconnect};

/// The shortest wait before the next try: Discord lets an app identify itself once in five seconds.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

/// Takes Discord's interactions from the Gateway.
#[derive(Clone)]
pub struct GatewayWorker {
    state: DiscordState,
}

impl GatewayWorker {
    /// A worker for the app of the configuration.
    pub fn new(state: DiscordState) -> Self {
        Self { state }
    }

    /// Works for ever.
    pub async fn run(self) {
        let mut reconnect = Reconnect::default();
        loop {
            let began = Instant::now();
            let ended = self.connect().await;
            reconnect.ended(began.elapsed());
            // Whatever it ended for, Discord counts how often an app identifies itself.
            let wait = reconnect.wait(&SystemRandom).max(SHORTEST_WAIT);
            tracing::warn!(error = %ended, wait = ?wait, "Discord's Gateway does not serve us");
            tokio::time::sleep(wait).await;
        }
    }

    /// Serves until Discord refuses us for good; why.
    async fn connect(&self) -> ChatError {
        // serenity would go to Discord's usual address where nobody tells it of another.
        if let Err(error) = asked(self.state.api.http().get_gateway()).await {
            return error;
        }
        // Interactions come without any intent; we see nothing else of the guild.
        let client = ClientBuilder::new_with_http(http(&self.state.settings), GatewayIntents::empty());
        let ended = match client.event_handler_arc(Arc::new(self.clone())).await {
            Ok(mut client) => client.start().await,
            Err(error) => Err(error),
        };
        ChatError::Refused(ended.map_or_else(|error| error.to_string(), |()| "it ended".to_owned()))
    }
}

#[async_trait]
impl EventHandler for GatewayWorker {
    async fn ready(&self, _: Context, ready: Ready) {
        tracing::info!(app = ready.user.name, "Discord's Gateway is open");
    }

    async fn resume(&self, _: Context, _: ResumedEvent) {
        tracing::info!("Discord's Gateway goes on where it broke");
    }

    async fn interaction_create(&self, _: Context, interaction: Interaction) {
        let shared = &self.state.shared;
        if !shared.stopping.is_cancelled() {
            // A server that is told to stop waits for what it has taken.
            shared.promised.track_future(self.take(interaction)).await;
        }
    }
}

impl GatewayWorker {
    async fn take(&self, interaction: Interaction) {
        let (id, token) = (interaction.id(), interaction.token().to_owned());
        // What was under way when a connection broke may come again with the next one.
        let Ok(answer) = respond(&self.state, interaction, format!("discord:interaction:{id}")).await else { return };
        if let Err(error) = asked(self.state.api.http().create_interaction_response(id, &token, &answer, Vec::new())).await {
            tracing::warn!(%error, "an interaction could not be answered");
        }
    }
}
