//! What is offered before an address is known, and the one-time link that learns it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Engine, EngineError};
use crate::domain::{ApprovalTerms, ConfirmationId, MemberName, ResourceName, Span, Timestamp};
use crate::random;
use crate::store::{Confirmation, Remembered, Tx};

/// How long a link works.
pub(super) const LINK_LIFE: Span = Span::from_minutes(10);

/// How many links of one kind a member may have that can still be used: a new one replaces the oldest, and is not recorded in the audit
/// log, which would otherwise grow with every request. What is done through a link is always recorded.
pub(super) const MOST_LINKS: u32 = 20;

/// What somebody asks for before their address is known.
#[derive(Clone, Debug, Default)]
pub struct OfferRequest {
    /// For how long; the tier's default where there is none.
    pub duration: Option<Span>,
    /// Why.
    pub reason: Option<String>,
    /// Whether an approval is to be done without.
    pub break_glass: bool,
    /// Where the chat will show the session, in the surface's own words.
    pub place: Option<String>,
}

/// The secret of a one-time link.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

/// A one-time link, and what it will open.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its id, by which its member may name it.
    pub id: ConfirmationId,
    /// The secret to put into the link.
    pub token: Token,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// What it will open.
    pub offer: Offer,
    /// What may be used instead of following it: what was confirmed last.
    pub remembered: Option<Remembered>,
}

/// What a link will open.
#[derive(Clone, Debug)]
pub struct Offer {
    /// For whom.
    pub member: MemberName,
    /// For how long.
    pub duration: Span,
    /// Why.
    pub reason: Option<String>,
    /// Which resources.
    pub resources: Vec<ResourceName>,
    /// Who has to agree first, if somebody has to.
    pub approval: Option<ApprovalTerms>,
    /// Whether an approval that it takes is done without.
    pub break_glass: bool,
    /// Until when it stands.
    pub expires_at: Timestamp,
}

impl Engine {
    /// What a link will open. Looking changes nothing.
    pub async fn look_at_offer(&self, token: &Token) -> Result<Offer, EngineError> {
        let mut tx = self.store.begin().await?;
        let confirmation = self.open_confirmation(&mut tx, token).await?;
        let resources = self.resource_names(&confirmation.member)?;
        let Confirmation { member, duration, reason, expires_at, break_glass, .. } = confirmation;
        let approval = self.directory().terms_of(&member).approval.filter(|_| !break_glass);
        Ok(Offer { member, duration, reason, resources, approval, break_glass, expires_at })
    }

    /// A link that has neither been used nor expired.
    pub(super) async fn open_confirmation(&self, tx: &mut Tx, token: &Token) -> Result<Confirmation, EngineError> {
        let confirmation = tx.confirmation(&token.hash()).await?;
        self.still_open(tx, confirmation)
    }

    pub(super) fn still_open(&self, tx: &Tx, confirmation: Option<Confirmation>) -> Result<Confirmation, EngineError> {
        let confirmation = confirmation.ok_or(EngineError::LinkUnknown)?;
        self.check_is_whose(&confirmation)?;
        if confirmation.used_at.is_some() {
            return Err(EngineError::LinkUsed);
        }
        if confirmation.expires_at <= tx.now() {
            return Err(EngineError::LinkExpired(LINK_LIFE));
        }
        Ok(confirmation)
    }

    /// Refuses a link that somebody asked for who is not its member any more.
    pub(super) fn check_is_whose(&self, link: &Confirmation) -> Result<(), EngineError> {
        link.identity.as_ref().map_or(Ok(()), |identity| self.check_is_still(identity, &link.member))
    }

    /// How long a session is that begins now: as long as was asked for, and no longer than the hours of the member's roles.
    pub(super) fn check_duration(&self, member: &MemberName, asked: Option<Span>, now: Timestamp) -> Result<Span, EngineError> {
        let directory = self.directory();
        let duration = asked.unwrap_or_else(|| directory.default_duration_for(member));
        directory.limit_of(member).admits(duration)?;
        Ok(duration.min(directory.limit_at(member, now, now)?.longest))
    }

    pub(super) async fn check_session_count(&self, tx: &mut Tx, member: &MemberName, live: u32) -> Result<(), EngineError> {
        let configured = self.configured();
        let tier = &configured.organization.tier;
        match tier.max_sessions_per_member {
            Some(most) if live >= most => {
                let sessions = self.live_of(tx, member).await?;
                let example = sessions.last().map(|view| view.session.id.short().to_owned()).unwrap_or_default();
                Err(EngineError::TooManySessions { live, tier: tier.name.to_string(), example })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn resource_names(&self, member: &MemberName) -> Result<Vec<ResourceName>, EngineError> {
        let resources: Vec<_> = self.directory().resources_of(member).iter().map(|resource| resource.name.clone()).collect();
        if resources.is_empty() { Err(EngineError::NoResources { administrators: self.whom_to_ask() }) } else { Ok(resources) }
    }
}

impl Token {
    pub(super) fn new(random: &dyn random::Random) -> Self {
        Self(SecretString::from(hex::encode(random::bytes::<32>(random))))
    }

    /// A token as it came in a request.
    pub fn from_request(text: &str) -> Self {
        Self(SecretString::from(text.to_owned()))
    }

    /// The secret itself, to put into a link.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    // 256 random bits need no salt and no slow hash.
    pub(super) fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.expose_secret().as_bytes()))
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.resources.len() == 1 { "resource" } else { "resources" };
        write!(f, "{} {many} for {}", self.resources.len(), self.duration)
    }
}
