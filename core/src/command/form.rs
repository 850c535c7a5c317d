//! The form for a new session: what it offers, and what comes of it. Each field that is wrong says so where it stands.

use super::answer::{Conversation, LISTED};
use crate::domain::{Addresses, HostAddress, LearntBy, Span};
use crate::engine::{Caller, Engine, EngineError, OfferRequest, StartRequest};
use crate::reply::{self, Card, Health, Home, Reply, ResourceHealth, StartForm};

/// What somebody filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilledForm {
    /// For how long, as it was chosen.
    pub duration: String,
    /// Why.
    pub reason: String,
    /// How the address is to be learnt.
    pub way: AddressWay,
    /// The addresses given by hand.
    pub addresses: String,
    /// Whether the approval is to be done without.
    pub break_glass: bool,
}

/// How the address of a new session is to be learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressWay {
    /// By the one-time link.
    #[default]
    Link,
    /// The one that was confirmed last.
    SameAsLast,
    /// Given by hand.
    ByHand,
}

impl AddressWay {
    /// The way's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::SameAsLast => "same",
            Self::ByHand => "hand",
        }
    }

    /// The way of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Link, Self::SameAsLast, Self::ByHand].into_iter().find(|way| way.as_str() == text)
    }
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// For how long.
    Duration,
    /// Why.
    Reason,
    /// The addresses given by hand, and how the address is learnt.
    Addresses,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which.
    pub field: Field,
    /// What, and what to write instead.
    pub why: String,
}

impl Engine {
    /// The form that somebody is shown.
    pub async fn start_form(&self, conversation: &Conversation) -> Result<StartForm, EngineError> {
        let caller = self.caller(&conversation.identity, conversation.surface)?;
        let terms = self.directory().terms_of(caller.name());
        Ok(StartForm {
            durations: self.directory().durations_for(caller.name()),
            default: self.directory().default_duration_for(caller.name()),
            remembered: self.last_address(&caller).await?,
            explicit_ip: terms.explicit_ip,
            break_glass: terms.break_glass,
            approvers: terms.approval.map(|approval| approval.approvers.into_iter().collect()).unwrap_or_default(),
        })
    }

    /// Takes a form: a reply, or what is wrong with it.
    pub async fn submit_form(&self, conversation: &Conversation, form: &FilledForm) -> Result<Reply, Vec<FieldError>> {
        let (duration, reason, addresses) = read(form)?;
        let caller = match self.caller(&conversation.identity, conversation.surface) {
            Ok(caller) => caller,
            Err(error) => return Ok(Reply::Refused(error.to_string())),
        };
        let break_glass = form.break_glass;
        let place = conversation.place.clone();
        let started = match addresses {
            Some(addresses) => {
                let duration = Some(duration);
                let learnt_by = LearntBy::Hand;
                self.start(
                    &caller,
                    StartRequest { duration, reason, break_glass, addresses, learnt_by, place, key: None, run: None, once: None },
                )
                .await
            }
            None => {
                let request = OfferRequest { duration: Some(duration), reason, break_glass, place };
                match (self.offer(&caller, request).await, form.way) {
                    (Err(error), _) => Err(error),
                    (Ok(link), AddressWay::SameAsLast) => self.confirm_remembered(&caller, &link.id).await,
                    (Ok(link), AddressWay::Link | AddressWay::ByHand) => return Ok(Reply::Confirm(link)),
                }
            }
        };
        match started {
            Ok(started) => Ok(Reply::Started(Card::new(&started.view, &self.directory(), self.now()))),
            Err(error) => refusal(error),
        }
    }

    /// Everything of one person's.
    pub async fn home(&self, conversation: &Conversation) -> Result<Home, EngineError> {
        let caller = self.caller(&conversation.identity, conversation.surface)?;
        let sessions = self.live_first(&caller, LISTED).await?;
        let now = self.now();
        Ok(Home {
            member: caller.name().clone(),
            sessions: sessions.iter().map(|view| Card::new(view, &self.directory(), now)).collect(),
            resources: self.resources(&caller).await?,
            remembered: self.last_address(&caller).await?,
        })
    }

    /// What a caller may reach, and how the last sweep found each of them.
    pub async fn resources(&self, caller: &Caller) -> Result<Vec<ResourceHealth>, EngineError> {
        let mut swept = self.last_sweeps().await?;
        let health = |resource: &&crate::domain::Resource| ResourceHealth {
            name: resource.name.clone(),
            kind: resource.kind_words().1.replace('_', " "),
            provider_id: resource.provider_id(),
            health: match swept.remove(&resource.name) {
                None => Health::Unverified,
                Some((at, None)) => Health::Valid { at },
                Some((at, Some(error))) => Health::Invalid { at, error },
            },
        };
        Ok(self.directory().resources_of(caller.name()).iter().map(health).collect())
    }
}

type Read = (Span, Option<String>, Option<Addresses>);

/// Reads every field, so that all that is wrong is said at once.
fn read(form: &FilledForm) -> Result<Read, Vec<FieldError>> {
    let mut wrong = Vec::new();
    let mut note = |field, why: String| wrong.push(FieldError { field, why: reply::as_typed(&why) });
    let duration = form.duration.parse().map_err(|error: crate::domain::SpanError| note(Field::Duration, error.to_string())).ok();
    let reason = super::parse::reason_from(&form.reason).map_err(|error| note(Field::Reason, error.to_string())).ok();
    let addresses = match form.way {
        AddressWay::Link | AddressWay::SameAsLast => Some(None),
        AddressWay::ByHand => by_hand(&form.addresses).map_err(|why| note(Field::Addresses, why)).ok().map(Some),
    };
    match (duration, reason, addresses) {
        (Some(duration), Some(reason), Some(addresses)) => Ok((duration, reason, addresses)),
        _ => Err(wrong),
    }
}

fn by_hand(text: &str) -> Result<Addresses, String> {
    let words = text.split([' ', ',', ';', '\n']).filter(|word| !word.is_empty());
    let hosts = words.map(HostAddress::parse).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    Addresses::new(&hosts).map_err(|error| error.to_string())
}

/// What belongs to a field is said there; the rest is a reply.
fn refusal(error: EngineError) -> Result<Reply, Vec<FieldError>> {
    let field = match &error {
        EngineError::Duration(_) => Field::Duration,
        EngineError::Address(_) | EngineError::NotByHand | EngineError::NothingRemembered => Field::Addresses,
        _ => return Ok(Reply::Refused(error.to_string())),
    };
    Err(vec![FieldError { field, why: reply::as_typed(&error.to_string()) }])
}
