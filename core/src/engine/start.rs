//! Starts a session, each way in one transaction: by a link, from the address that was confirmed last, or from one that is known.

use serde_json::json;

use super::begin::Wanted;
use super::guard::counted;
use super::{Caller, Engine, EngineError, Idempotency, SessionKey, Token};
use crate::crash_point;
use crate::domain::{Addresses, ConfirmationId, Identity, LearntBy, Session, Span, Timestamp, WorkflowRun};
use crate::store::{Confirmation, SessionView, Tx};

/// What somebody asks for whose address is known.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// For how long; the tier's default where there is none.
    pub duration: Option<Span>,
    /// Why.
    pub reason: Option<String>,
    /// Whether an approval is to be done without.
    pub break_glass: bool,
    /// From where.
    pub addresses: Addresses,
    /// How that was learnt.
    pub learnt_by: LearntBy,
    /// Where the chat shows the session, in the surface's own words.
    pub place: Option<String>,
    /// What a program chose to find its session by.
    pub key: Option<SessionKey>,
    /// The workflow run that it ends with.
    pub run: Option<WorkflowRun>,
    /// What the caller calls this question, so that asking it again starts no second session.
    pub once: Option<Idempotency>,
}

impl StartRequest {
    /// For the addresses that this very request came from.
    pub const fn seen(duration: Option<Span>, addresses: Addresses) -> Self {
        Self {
            duration,
            reason: None,
            break_glass: false,
            addresses,
            learnt_by: LearntBy::Request,
            place: None,
            key: None,
            run: None,
            once: None,
        }
    }
}

/// A session that has started, or that awaits approval.
#[derive(Clone, Debug)]
pub struct Started {
    /// The session, with its rules on their way.
    pub view: SessionView,
}

impl Engine {
    /// Starts the session that a one-time link offers, from the addresses that the server saw. The link is used up by it.
    pub async fn confirm(&self, token: &Token, addresses: Addresses) -> Result<Started, EngineError> {
        counted(match self.try_to_confirm(token, addresses).await {
            Err(EngineError::Store(error)) if self.set_aside(&error).await => self.try_to_confirm(token, addresses).await,
            other => other,
        })
    }

    async fn try_to_confirm(&self, token: &Token, addresses: Addresses) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        let link = self.open_confirmation(&mut tx, token).await?;
        let evidence = json!({ "learntBy": LearntBy::Link.as_str(), "link": link.id.as_str() });
        self.use_up(tx, link, addresses, LearntBy::Link, evidence).await
    }

    /// Starts what a link offers from the addresses that its member confirmed last, if that was recently enough, and when they were
    /// shown that they did.
    pub async fn confirm_remembered(
        &self,
        caller: &Caller,
        link: &ConfirmationId,
        shown: Option<Timestamp>,
    ) -> Result<Started, EngineError> {
        counted(self.try_to_confirm_remembered(caller, link, shown).await)
    }

    async fn try_to_confirm_remembered(
        &self,
        caller: &Caller,
        link: &ConfirmationId,
        shown: Option<Timestamp>,
    ) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        // Locked first: what takes an identity from its member waits, or was before us.
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(&mut tx, caller).await?;
        let link = tx.confirmation_by_id(link).await?.filter(|link| link.member == *caller.name());
        let link = self.still_open(&tx, link)?;
        let remembered =
            self.remembered(&mut tx, [caller.name()]).await?.remove(caller.name()).ok_or(EngineError::NothingRemembered)?;
        if shown.is_some_and(|shown| shown != remembered.confirmed_at) {
            return Err(EngineError::RememberedAnother);
        }
        let learnt_by = LearntBy::Remembered;
        let evidence = json!({
            "learntBy": learnt_by.as_str(), "link": link.id.as_str(), "confirmedAt": remembered.confirmed_at.to_string(),
        });
        self.use_up(tx, link, remembered.addresses, learnt_by, evidence).await
    }

    async fn use_up(
        &self,
        mut tx: Tx,
        link: Confirmation,
        addresses: Addresses,
        learnt_by: LearntBy,
        evidence: serde_json::Value,
    ) -> Result<Started, EngineError> {
        self.lock_member(&mut tx, &link.member).await?;
        self.check_is_whose(&link)?;
        let Confirmation { id, member, identity, surface, duration, reason, break_glass, place, .. } = link;
        if !self.directory().members.contains_key(&member) {
            return Err(EngineError::MemberLeft(member));
        }
        let duration = self.check_duration(&member, Some(duration), tx.now())?;
        let wanted = Wanted {
            member,
            surface,
            identity,
            duration,
            reason,
            break_glass,
            addresses,
            learnt_by,
            place,
            evidence,
            in_place_of_one: false,
        };
        let session = self.begin_session(&mut tx, wanted).await?;
        if !tx.use_confirmation(&id, &session.id, learnt_by).await? {
            return Err(EngineError::LinkUsed);
        }
        self.started(tx, session).await
    }

    /// Starts a session for a caller whose address is known: seen in this very request, or given by hand where their roles allow it.
    pub async fn start(&self, caller: &Caller, request: StartRequest) -> Result<Started, EngineError> {
        counted(match self.try_to_start(caller, request.clone()).await {
            Err(EngineError::Store(error)) if self.set_aside(&error).await => self.try_to_start(caller, request).await,
            other => other,
        })
    }

    async fn try_to_start(&self, caller: &Caller, request: StartRequest) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(&mut tx, caller).await?;
        let StartRequest { duration, reason, break_glass, addresses, learnt_by, place, key, run, once } = request;
        let key = key.map(|key| key.hash());
        if let Some(view) = self.started_before(&mut tx, caller, key.as_deref()).await? {
            return Ok(Started { view });
        }
        if let Some(view) = self.asked_before(&mut tx, caller, once.as_ref()).await? {
            return Ok(Started { view });
        }
        if learnt_by == LearntBy::Hand && !self.directory().terms_of(caller.name()).explicit_ip {
            return Err(EngineError::NotByHand);
        }
        let duration = self.check_duration(caller.name(), duration, tx.now())?;
        let evidence = json!({ "learntBy": learnt_by.as_str(), "identity": caller.identity().to_string() });
        let wanted = Wanted {
            member: caller.name().clone(),
            surface: caller.surface(),
            identity: Some(caller.identity().clone()),
            duration,
            reason,
            break_glass,
            addresses,
            learnt_by,
            place,
            evidence,
            in_place_of_one: false,
        };
        let session = self.begin_session(&mut tx, wanted).await?;
        if let Some(key) = &key {
            tx.insert_session_key(key, &session.id, caller.identity()).await?;
        }
        if let Some(run) = &run {
            tx.insert_session_run(&session.id, run).await?;
        }
        if let Identity::ApiKey(name) = caller.identity() {
            tx.insert_api_key_session(&session.id, name).await?;
        }
        if let Some(once) = &once {
            self.remember_asked(&mut tx, caller, once, &session.id).await?;
        }
        self.started(tx, session).await
    }

    /// The session that a key has started already, where its answer was lost.
    async fn started_before(&self, tx: &mut Tx, caller: &Caller, key: Option<&str>) -> Result<Option<SessionView>, EngineError> {
        let Some(key) = key else { return Ok(None) };
        let Some((session, identity)) = tx.session_of_key(key).await? else { return Ok(None) };
        if identity != *caller.identity() {
            return Err(EngineError::SessionKeyUnknown);
        }
        Ok(tx.session(&session).await?)
    }

    pub(super) async fn started(&self, mut tx: Tx, session: Session) -> Result<Started, EngineError> {
        let view = tx.session(&session.id).await?.ok_or_else(|| EngineError::SessionUnknown(session.id.short().to_owned()))?;
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        self.nudge_all();
        Ok(Started { view })
    }
}
