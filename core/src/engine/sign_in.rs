//! Signing in to the pages: by a one-time link that a chat gave, or by what a surface has verified.

use serde_json::json;

use super::offer::{LINK_LIFE, MOST_LINKS};
use super::{Caller, Engine, EngineError, Token, WebCookie};
use crate::domain::{
    Actor, AuditAction, AuditEvent, CookieTimes, Identity, MemberName, ShownCookie, Span, Surface, Timestamp, WebLimits,
    WebSessionId,
};
use crate::random;
use crate::store::{SignInLink, Tx, WebSession};

/// A one-time link, handed out.
#[derive(Clone, Debug)]
pub struct IssuedSignIn {
    /// The secret to put into the link.
    pub token: Token,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// Whom a link signs in.
#[derive(Clone, Debug)]
pub struct SigningIn {
    /// Who one would be.
    pub member: MemberName,
    /// As whom the link was asked for.
    pub identity: Identity,
    /// Until when the link works.
    pub expires_at: Timestamp,
}

/// A browser that has just signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What its cookie holds.
    pub cookie: WebCookie,
    /// Who it is.
    pub caller: Caller,
}

impl Engine {
    /// Hands out a link by which the caller can sign in to the pages.
    pub async fn issue_sign_in(&self, caller: &Caller) -> Result<IssuedSignIn, EngineError> {
        self.web_limits()?;
        let mut tx = self.store.begin().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(&mut tx, caller).await?;
        let (token, expires_at) = (Token::new(self.random.as_ref()), tx.now().plus(LINK_LIFE));
        let (identity, member) = (caller.identity().clone(), caller.name().clone());
        let link = SignInLink { identity, member, expires_at, used_at: None };
        let has_replaced = tx.insert_sign_in_link(&token.hash(), &link, MOST_LINKS).await?;
        if !has_replaced {
            let details = json!({ "member": caller.name().as_str(), "identity": caller.identity().to_string() });
            self.record_of_web(&mut tx, caller.actor(), AuditAction::WebLinkIssued, details).await?;
        }
        tx.commit().await?;
        Ok(IssuedSignIn { token, expires_at })
    }

    /// Whom a link signs in. Looking changes nothing.
    pub async fn look_at_sign_in(&self, token: &Token) -> Result<SigningIn, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let link = self.open_sign_in(&mut tx, token).await?;
        Ok(SigningIn { member: link.member, identity: link.identity, expires_at: link.expires_at })
    }

    /// Signs in by a link. The link is used up by it.
    pub async fn sign_in_by_link(&self, token: &Token) -> Result<SignedIn, EngineError> {
        let mut tx = self.store.begin().await?;
        let link = self.open_sign_in(&mut tx, token).await?;
        // Whatever takes something from them waits, or was before us.
        self.lock_member(&mut tx, &link.member).await?;
        let link = self.open_sign_in(&mut tx, token).await?;
        let caller = self.caller(&link.identity, Surface::Web)?;
        if !tx.use_sign_in_link(&token.hash()).await? {
            return Err(EngineError::LinkUsed);
        }
        self.begin_web_session(tx, caller, "link").await
    }

    /// Signs in somebody whom a surface has verified; `by` says how, for the audit log.
    pub async fn sign_in(&self, caller: &Caller, by: &str) -> Result<SignedIn, EngineError> {
        let mut tx = self.store.begin().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(&mut tx, caller).await?;
        self.begin_web_session(tx, caller.clone(), by).await
    }

    /// How long a browser stays signed in at the most.
    pub fn stays_signed_in(&self) -> Span {
        self.pages.map_or_else(|| Span::from_seconds(0), |limits| limits.longest)
    }

    /// Whether somebody is the member that they were, and is there.
    pub(super) fn is_still(&self, identity: &Identity, member: &MemberName) -> bool {
        self.check_is_still(identity, member).is_ok()
    }

    pub(super) fn check_is_still(&self, identity: &Identity, member: &MemberName) -> Result<(), EngineError> {
        self.check_has_not_departed(identity)?;
        if self.member_behind(identity).as_ref() == Some(member) { Ok(()) } else { Err(EngineError::MemberLeft(member.clone())) }
    }

    pub(super) fn web_limits(&self) -> Result<WebLimits, EngineError> {
        self.pages.ok_or(EngineError::NoSignIn)
    }

    /// A link that can still be used, by whom it was meant for.
    async fn open_sign_in(&self, tx: &mut Tx, token: &Token) -> Result<SignInLink, EngineError> {
        self.web_limits()?;
        let link = tx.sign_in_link(&token.hash()).await?.ok_or(EngineError::LinkUnknown)?;
        if link.used_at.is_some() {
            return Err(EngineError::LinkUsed);
        }
        if link.expires_at <= tx.now() {
            return Err(EngineError::LinkExpired(LINK_LIFE));
        }
        self.check_is_still(&link.identity, &link.member)?;
        Ok(link)
    }

    async fn begin_web_session(&self, mut tx: Tx, caller: Caller, by: &str) -> Result<SignedIn, EngineError> {
        let limits = self.web_limits()?;
        self.check_is_not_gone(caller.name())?;
        let now = tx.now();
        let cookie = WebCookie::new(self.random.as_ref());
        let session = WebSession {
            id: WebSessionId::new(now, self.random.as_ref()),
            identity: caller.identity().clone(),
            member: caller.name().clone(),
            form_key: hex::encode(random::bytes::<32>(self.random.as_ref())),
            times: CookieTimes {
                renewed_at: now,
                seen_at: now,
                expires_at: now.plus(limits.longest),
                shown: ShownCookie::Newest { first: false },
            },
        };
        tx.insert_web_session(&session, &cookie.hashes()).await?;
        let details = json!({
            "member": caller.name().as_str(), "identity": caller.identity().to_string(), "by": by, "browser": session.id.as_str(),
        });
        let actor = Actor::Member(caller.name().clone(), Surface::Web);
        self.record_of_web(&mut tx, actor, AuditAction::WebSignedIn, details).await?;
        tx.commit().await?;
        Ok(SignedIn { cookie, caller })
    }

    pub(super) async fn record_of_web(
        &self,
        tx: &mut Tx,
        actor: Actor,
        action: AuditAction,
        details: serde_json::Value,
    ) -> Result<(), EngineError> {
        let event = AuditEvent { at: tx.now(), actor, action, session: None, details };
        Ok(tx.record(&event, self.random.as_ref()).await?)
    }
}

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
