//! Who is asking: a person of our guild, and nobody else. In the guild Discord says so with each interaction; in direct messages it
//! has to be asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use entryguard_core::domain::{Identity, Span, Timestamp};
use serenity::model::id::{GuildId, UserId};
use serenity::model::user::User;

use super::DiscordState;

/// How long Discord's word on a user is taken for the present truth.
const FRESH: Span = Span::from_minutes(5);
/// Users remembered at the most.
const REMEMBERED: usize = 10_000;

/// What is known of users.
#[derive(Debug, Default)]
pub struct Memberships {
    known: Mutex<HashMap<UserId, (bool, Timestamp)>>,
}

impl Memberships {
    /// Whose interaction it is; else why it is refused.
    pub async fn who(&self, state: &DiscordState, guild: Option<GuildId>, user: &User) -> Result<Identity, String> {
        if user.bot {
            return Err("EntryGuard serves people, and no bots.".to_owned());
        }
        let ours = GuildId::new(state.settings.guild_id);
        let is_member = match guild {
            Some(guild) if guild == ours => true,
            Some(_) => return Err("You are in another Discord server than the one that EntryGuard serves.".to_owned()),
            None => self.is_member(state, user.id).await?,
        };
        match is_member {
            true => Ok(Identity::Discord { guild: ours.to_string(), user: user.id.to_string() }),
            false => Err("You are not in the Discord server that EntryGuard serves.".to_owned()),
        }
    }

    /// A direct message shows nothing of the guild, so where Discord does not answer nobody is let in.
    async fn is_member(&self, state: &DiscordState, user: UserId) -> Result<bool, String> {
        let now = state.shared.engine.now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&user).copied();
        if let Some((is_member, _)) = known.filter(|(_, until)| *until > now) {
            return Ok(is_member);
        }
        let is_member = state.api.is_member(user).await.map_err(|error| {
            tracing::warn!(%user, %error, "Discord does not say whether a user is in the server");
            "Discord does not say right now whether you are in the server that EntryGuard serves. Try again there.".to_owned()
        })?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(user, (is_member, now.plus(FRESH)));
        Ok(is_member)
    }
}
