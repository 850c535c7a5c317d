//! From a command to its reply: the one place where the chat language meets the use cases.

use super::{Command, CommandError};
use crate::domain::Identity;
use crate::domain::Surface;
use crate::engine::{Caller, Engine, EngineError, OfferRequest, Which};
use crate::reply::{Card, Reply, help};
use crate::store::SessionView;

/// Somebody who talks to us through a surface, somewhere.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Who, as the surface verified it.
    pub identity: Identity,
    /// Through what.
    pub surface: Surface,
    /// Where the surface shows a session, in its own words.
    pub place: Option<String>,
}

impl Engine {
    /// Answers a text.
    pub async fn answer_text(&self, conversation: &Conversation, text: &str) -> Reply {
        match text.parse::<Command>() {
            Ok(command) => self.answer(conversation, command).await,
            Err(error) => Reply::Refused(sentence(&error)),
        }
    }

    /// Answers a command.
    pub async fn answer(&self, conversation: &Conversation, command: Command) -> Reply {
        let reply = match self.caller(&conversation.identity, conversation.surface) {
            Ok(caller) => self.carry_out(&caller, conversation, command).await,
            // Help is for those, too, whom we do not know yet.
            Err(_) if command == Command::Help => Ok(Reply::Help(help(&[]))),
            Err(error) => Err(error),
        };
        reply.unwrap_or_else(|error| {
            if error.is_ours() {
                tracing::error!(error = ?error, "a command failed");
            }
            Reply::Refused(error.to_string())
        })
    }

    async fn carry_out(&self, caller: &Caller, conversation: &Conversation, command: Command) -> Result<Reply, EngineError> {
        let card = |view: &SessionView| Card::new(view, self.directory(), self.now());
        match command {
            Command::Start { addresses, .. } if !addresses.is_empty() => Ok(Reply::Refused(NOT_BY_HAND.to_owned())),
            Command::Start { duration, reason, .. } => {
                let request = OfferRequest { duration, reason, place: conversation.place.clone() };
                Ok(Reply::Confirm(self.offer(caller, request).await?))
            }
            Command::Stop(which) => Ok(Reply::Stopping(self.stop(caller, &which).await?.iter().map(card).collect())),
            Command::Extend { which, by } => {
                let extended = self.extend(caller, &which, by).await?;
                Ok(Reply::Extending { card: card(&extended.view), capped_by: extended.capped_by })
            }
            Command::List => Ok(Reply::Sessions(self.list(caller, false).await?.iter().take(LISTED).map(card).collect())),
            Command::Status(Which::Named(name)) => Ok(Reply::Session(card(&self.show(caller, &name).await?))),
            Command::Status(_) => match self.list(caller, true).await?.first() {
                Some(view) => Ok(Reply::Session(card(view))),
                None => Err(EngineError::NoLiveSession),
            },
            Command::Resources => {
                Ok(Reply::Resources(self.directory().resources_of(caller.name()).into_iter().cloned().collect()))
            }
            Command::Whoami => Ok(Reply::Whoami {
                member: caller.name().clone(),
                identity: conversation.identity.clone(),
                limit: self.directory().limit_of(caller.name()),
                admin: caller.is_admin(),
            }),
            Command::Help => Ok(Reply::Help(help(&self.directory().durations_for(caller.name())))),
        }
    }
}

/// Sessions in one list: what a chat message can hold and a person reads.
const LISTED: usize = 10;

const NOT_BY_HAND: &str = "An address given by hand is not taken: nothing shows that it is yours. \
     Run `start` without `ip`, and confirm the address that the link's page sees.";

fn sentence(error: &CommandError) -> String {
    format!("{error}.")
}
