//! From a command to its reply: the one place where the chat language meets the use cases.

use super::{Command, CommandError};
use crate::domain::{Addresses, Approval, Identity, LearntBy, Surface};
use crate::engine::{Caller, Engine, EngineError, Listed, OfferRequest, StartRequest, Which, Whose};
use crate::reply::{Card, Help, Reply, unavailable};
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
        self.answer_read(conversation, text.parse()).await
    }

    /// Answers what was read as a command, or says why it is none.
    pub async fn answer_read(&self, conversation: &Conversation, read: Result<Command, CommandError>) -> Reply {
        match read {
            Ok(command) => self.answer(conversation, command).await,
            Err(error) => {
                let caller = self.caller(&conversation.identity, conversation.surface);
                let allowed = caller.map(|caller| self.allowed(&caller)).unwrap_or_default();
                Reply::Refused(format!("{}.", error.advising(&allowed)))
            }
        }
    }

    /// Answers a command.
    pub async fn answer(&self, conversation: &Conversation, command: Command) -> Reply {
        let closes = command.closes().cloned();
        let reply = match self.caller(&conversation.identity, conversation.surface) {
            Ok(caller) => self.carry_out(&caller, conversation, command).await,
            // Help is for those, too, whom we do not know yet.
            Err(_) if command == Command::Help => Ok(Reply::Help(Help::for_strangers())),
            // Whoever shows a code is about to be known.
            Err(error) => match command {
                Command::LinkWith(code) => self.look_at_join_code(&conversation.identity, &code).await.map(Reply::Joining),
                Command::Join(code) => self.join(&conversation.identity, conversation.surface, &code).await.map(Reply::Joined),
                _ => Err(error),
            },
        };
        reply.unwrap_or_else(|error| {
            if error.is_ours() {
                tracing::error!(error = ?error, "a command failed");
            }
            match &error {
                EngineError::Store(error) => Reply::Refused(unavailable(error.outage(), closes.as_ref())),
                error => Reply::Refused(error.to_string()),
            }
        })
    }

    async fn carry_out(&self, caller: &Caller, conversation: &Conversation, command: Command) -> Result<Reply, EngineError> {
        let card = |view: &SessionView| Card::new(view, &self.directory(), self.now());
        match command {
            Command::Start { duration, addresses, reason, break_glass } if addresses.is_empty() => {
                let request = OfferRequest { duration, reason, break_glass, place: conversation.place.clone() };
                Ok(Reply::Confirm(self.offer(caller, request).await?))
            }
            Command::Start { duration, addresses, reason, break_glass } => {
                let (addresses, learnt_by) = (Addresses::new(&addresses)?, LearntBy::Hand);
                let place = conversation.place.clone();
                let request =
                    StartRequest { duration, reason, break_glass, addresses, learnt_by, place, key: None, run: None, once: None };
                Ok(Reply::Started(card(&self.start(caller, request).await?.view)))
            }
            Command::StartSameAddress { link, confirmed_at } => {
                Ok(Reply::Started(card(&self.confirm_remembered(caller, &link, Some(confirmed_at)).await?.view)))
            }
            Command::Answer { session, verdict } => {
                let session = self.find_request(caller, &session).await?;
                let view = self.answer_request(caller, &session, verdict).await?;
                Ok(Reply::Answered { card: card(&view), verdict })
            }
            Command::Stop(which) => Ok(Reply::Stopping(self.stop(caller, &which).await?.iter().map(card).collect())),
            Command::Extend { which, by } => {
                let extended = self.extend(caller, &which, by).await?;
                Ok(Reply::Extending { card: card(&extended.view), capped_by: extended.capped_by })
            }
            Command::List => Ok(Reply::Sessions(self.live_first(caller, LISTED).await?.iter().map(card).collect())),
            Command::ListAll => {
                let page = self.page(caller, &Whose::Everybodys, Listed::Unclosed, None, EVERYBODYS).await?;
                Ok(Reply::Everybodys { cards: page.sessions.iter().map(card).collect(), more: page.next.is_some() })
            }
            Command::Panic(scope) => Ok(Reply::Panicking(self.look_at_panic(caller, scope).await?)),
            Command::CloseAtOnce { scope, asked_at } => {
                let sessions = self.close_at_once(caller, &scope, asked_at).await?;
                Ok(Reply::Panicked { scope, sessions })
            }
            Command::LiftPanic(scope) => self.lift_panic(caller, scope.as_ref()).await.map(Reply::Lifted),
            Command::Status(Which::Named(name)) => Ok(Reply::Session(as_seen_by(caller, card(&self.show(caller, &name).await?)))),
            Command::Status(_) => match self.list(caller, Listed::Live).await?.first() {
                Some(view) => Ok(Reply::Session(card(view))),
                None => Err(EngineError::NoLiveSession),
            },
            Command::Resources => Ok(Reply::Resources(self.resources(caller).await?)),
            Command::Link => Ok(Reply::JoinCode(self.issue_join_code(caller).await?)),
            Command::LinkWith(code) => Ok(Reply::Joining(self.look_at_join_code(caller.identity(), &code).await?)),
            Command::Join(code) => Ok(Reply::Joined(self.join(caller.identity(), caller.surface(), &code).await?)),
            Command::Unlink(identity) => Ok(Reply::Parted(self.part(caller, identity.as_ref()).await?)),
            Command::Whoami => Ok(Reply::Whoami {
                member: caller.name().clone(),
                identity: conversation.identity.clone(),
                limit: self.directory().limit_of(caller.name()),
                admin: caller.is_admin(),
                also: caller.elsewhere(),
            }),
            Command::Web => Ok(Reply::SignIn(self.issue_sign_in(caller).await?)),
            Command::Help => Ok(Reply::Help(Help::of(&self.directory(), caller.name()))),
        }
    }
}

/// A session with the buttons of whoever looks. Somebody who is only asked about it answers, and stops what did without them.
fn as_seen_by(caller: &Caller, mut card: Card) -> Card {
    let is_theirs = *caller.name() == card.member || caller.is_admin();
    card.can_stop &= is_theirs || card.approval == Approval::BreakGlass;
    card.can_extend &= is_theirs;
    card
}

/// Everybody's sessions in one list.
const EVERYBODYS: u32 = 20;
/// Sessions in one list: what a chat message can hold and a person reads.
pub(super) const LISTED: usize = 10;
