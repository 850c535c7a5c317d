//! Who is asking: a person of our guild, and nobody else, with the roles that they hold there. In the guild Discord says so with each
//! interaction; in direct messages it has to be asked.

use std::collections::BTreeSet;

use entryguard_core::domain::{Identity, RoleIdentity, Span, Timestamp};
use entryguard_core::engine::{BeforeAsking, Engine, EngineError};
use serenity::model::guild::Member;
use serenity::model::id::{GuildId, RoleId, UserId};
use serenity::model::user::User;

use super::DiscordState;
use super::calls::WHILE_ASKED;
use crate::chat::Recent;

/// How long Discord's word on a user is taken for the present truth.
const FRESH: Span = Span::from_minutes(5);

/// What is known of users: whether they are in the guild.
#[derive(Debug, Default)]
pub struct Memberships {
    known: Recent<UserId, bool>,
}

/// What Discord says of a user.
enum Asked {
    /// In the guild, with these roles, at this moment.
    Member(Vec<RoleId>),
    /// In the guild, some minutes ago.
    MemberBefore,
    /// Not in the guild.
    Stranger,
}

impl Memberships {
    /// Whose interaction it is; else why it is refused. What their roles give them is brought up to date first.
    pub async fn who(
        &self,
        state: &DiscordState,
        guild: Option<GuildId>,
        user: &User,
        member: Option<&Member>,
    ) -> Result<Identity, String> {
        if user.bot {
            return Err("EntryGuard serves people, and no bots.".to_owned());
        }
        let ours = GuildId::new(state.settings.guild_id);
        let identity = identity(ours, user.id);
        let before = state.shared.engine.before_asking(&identity);
        let roles = match (guild, member) {
            (Some(guild), Some(member)) if guild == ours => member.roles.clone(),
            (Some(_), _) => return Err("You are in another Discord server than the one that EntryGuard serves.".to_owned()),
            (None, _) => match self.asked(state, &identity, user.id).await? {
                Asked::Member(roles) => roles,
                // What was heard some minutes ago says who somebody is, and must not give back a role that was lost since.
                Asked::MemberBefore => return Ok(identity),
                Asked::Stranger => return Err("You are not in the Discord server that EntryGuard serves.".to_owned()),
            },
        };
        is_there(&state.shared.engine, &identity, before, &held(ours, &roles)).await.map_err(|error| {
            tracing::error!(error = ?error, "what somebody's roles give could not be brought up to date");
            error.to_string()
        })?;
        Ok(identity)
    }

    /// A direct message shows nothing of the guild, so where Discord does not answer nobody is let in.
    async fn asked(&self, state: &DiscordState, identity: &Identity, user: UserId) -> Result<Asked, String> {
        let now = state.shared.engine.uptime();
        let is_gone = state.shared.engine.known().departed.contains(identity);
        // Of whoever was found to be gone since they were heard to be there, only Discord can say that they are back.
        let holds = |(is_member, until): &(bool, Timestamp)| *until > now && !(*is_member && is_gone);
        if let Some((is_member, _)) = self.known.last(&user).filter(holds) {
            return Ok(if is_member { Asked::MemberBefore } else { Asked::Stranger });
        }
        let roles = state.api.roles_of(user, WHILE_ASKED).await.map_err(|error| {
            tracing::warn!(%user, %error, "Discord does not say whether a user is in the server");
            "Discord does not say right now whether you are in the server that EntryGuard serves. Try again there.".to_owned()
        })?;
        self.known.put(user, roles.is_some(), now.plus(FRESH));
        Ok(roles.map_or(Asked::Stranger, Asked::Member))
    }
}

/// Takes Discord's word on somebody who is in the guild.
pub async fn is_there(
    engine: &Engine,
    identity: &Identity,
    before: BeforeAsking,
    roles: &BTreeSet<RoleIdentity>,
) -> Result<(), EngineError> {
    engine.identity_returned(identity, before).await?;
    engine.identity_holds(identity, roles).await
}

/// How we name a user of a guild.
fn identity(guild: GuildId, user: UserId) -> Identity {
    Identity::Discord { guild: guild.to_string(), user: user.to_string() }
}

/// A guild's roles as the configuration names them.
pub fn held(guild: GuildId, roles: &[RoleId]) -> BTreeSet<RoleIdentity> {
    roles.iter().map(|role| RoleIdentity::Discord { guild: guild.get(), role: role.get() }).collect()
}
