//! The form for a new session: what it offers, and what comes of it. Each field that is wrong says so where it stands.

use super::advice::Allowed;
use super::answer::{Conversation, LISTED};
use crate::domain::{Addresses, HostAddress, LearntBy, Span, Timestamp};
use crate::engine::{Caller, Engine, EngineError, OfferRequest, StartRequest};
use crate::reply::{self, Card, Health, Home, Reply, ResourceHealth, StartForm};
use crate::store::SessionView;

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
    SameAsLast {
        /// When the address that was shown was confirmed; none where none was.
        confirmed_at: Option<Timestamp>,
    },
    /// Given by hand.
    ByHand,
}

const LINK: &str = "link";
const SAME: &str = "same";
const HAND: &str = "hand";

impl AddressWay {
    /// The way as a form holds it.
    pub fn value(self) -> String {
        match self {
            Self::Link => LINK.to_owned(),
            Self::SameAsLast { confirmed_at: None } => SAME.to_owned(),
            Self::SameAsLast { confirmed_at: Some(at) } => format!("{SAME} {}", at.as_millis()),
            Self::ByHand => HAND.to_owned(),
        }
    }

    /// The way that a form holds.
    pub fn parse(value: &str) -> Option<Self> {
        match value.split_once(' ').unwrap_or((value, "")) {
            (LINK, "") => Some(Self::Link),
            (HAND, "") => Some(Self::ByHand),
            (SAME, "") => Some(Self::SameAsLast { confirmed_at: None }),
            (SAME, at) => Some(Self::SameAsLast { confirmed_at: Some(Timestamp::from_millis(at.parse().ok()?)) }),
            _ => None,
        }
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
        let caller = self.caller(&conversation.identity, conversation.surface);
        let allowed = caller.as_ref().map(|caller| self.allowed(caller)).unwrap_or_default();
        let (duration, reason, addresses) = read(form, &allowed)?;
        let caller = match caller {
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
                    (Ok(link), AddressWay::SameAsLast { confirmed_at }) => {
                        self.confirm_remembered(&caller, &link.id, confirmed_at).await
                    }
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
        let requests = self.requests_for(&caller).await?;
        let (now, directory) = (self.now(), self.directory());
        let cards = |views: &[SessionView]| views.iter().map(|view| Card::new(view, &directory, now)).collect();
        Ok(Home {
            member: caller.name().clone(),
            sessions: cards(&sessions),
            requests: cards(&requests),
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

/// Said to whoever wrote an address, and chose another way to learn it.
const TWO_WAYS: &str =
    "You wrote an address here, and chose another way to learn it. Choose that you write it yourself, or empty this.";

type Read = (Span, Option<String>, Option<Addresses>);

/// Reads every field, so that all that is wrong is said at once.
fn read(form: &FilledForm, allowed: &Allowed) -> Result<Read, Vec<FieldError>> {
    let mut wrong = Vec::new();
    let mut note = |field, why: String| wrong.push(FieldError { field, why: reply::as_typed(&why) });
    let duration = form.duration.parse().map_err(|error| note(Field::Duration, allowed.advice(&error))).ok();
    let reason = super::parse::reason_from(&form.reason).map_err(|error| note(Field::Reason, error.to_string())).ok();
    let addresses = match form.way {
        AddressWay::Link | AddressWay::SameAsLast { .. } if form.addresses.trim().is_empty() => Some(None),
        // Another address than the one that stands here would be opened.
        AddressWay::Link | AddressWay::SameAsLast { .. } => {
            note(Field::Addresses, TWO_WAYS.to_owned());
            None
        }
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
        EngineError::Address(_) | EngineError::NotByHand | EngineError::NothingRemembered | EngineError::RememberedAnother => {
            Field::Addresses
        }
        _ => return Ok(Reply::Refused(error.to_string())),
    };
    Err(vec![FieldError { field, why: reply::as_typed(&error.to_string()) }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(way: AddressWay, addresses: &str) -> FilledForm {
        FilledForm { duration: "1h".to_owned(), way, addresses: addresses.to_owned(), ..FilledForm::default() }
    }

    #[test]
    fn an_address_that_was_written_is_never_passed_over_for_another() {
        for way in [AddressWay::Link, AddressWay::SameAsLast { confirmed_at: None }] {
            for written in ["93.184.216.34", " 2606:2800:220:1::1 ", "the office"] {
                let wrong = read(&form(way, written), &Allowed::default()).unwrap_err();
                assert_eq!(wrong, [FieldError { field: Field::Addresses, why: TWO_WAYS.to_owned() }], "{way:?} {written}");
            }
            for empty in ["", " \n"] {
                assert_eq!(read(&form(way, empty), &Allowed::default()).unwrap().2, None, "{way:?}");
            }
        }
        let by_hand = read(&form(AddressWay::ByHand, "93.184.216.34, 2606:2800:220:1::1"), &Allowed::default()).unwrap().2;
        assert_eq!(by_hand.map(|addresses| addresses.iter().count()), Some(2));
    }
}
