//! Who is signed in to the pages: by a one-time link that a chat gave them, or by what a surface has verified, and until when.

use secrecy::SecretString;
use serde_json::json;

use super::offer::LINK_LIFE;
use super::{Caller, Engine, EngineError, Token};
use crate::domain::{
    Actor, AuditAction, AuditEvent, CookieTimes, CookieWorth, Identity, MemberName, ShownCookie, Span, Surface, Timestamp,
    WebLimits, WebSessionId,
};
use crate::random;
use crate::store::{CookieHashes, SignInLink, Tx, WebSession};

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

/// A request of a browser that is signed in.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Who it is.
    pub caller: Caller,
    /// Which browser.
    pub browser: WebSessionId,
    /// What its forms' tokens are made with: the same in every replica, and for as long as it is signed in.
    pub form_key: SecretString,
    /// What its cookie has to hold from now on, where it was exchanged.
    pub renewed: Option<WebCookie>,
}

/// What a signed-in browser's cookie holds: one secret that stays for as long as it is signed in, and one that is exchanged. So a copy that
/// is shown later is known for what it is, however often its original was exchanged.
#[derive(Clone, Debug)]
pub struct WebCookie {
    family: Token,
    token: Token,
}

impl Engine {
    /// Hands out a link by which the caller can sign in to the pages.
    pub async fn issue_sign_in(&self, caller: &Caller) -> Result<IssuedSignIn, EngineError> {
        self.web_limits()?;
        let mut tx = self.store.begin().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(caller)?;
        let (token, expires_at) = (Token::new(self.random.as_ref()), tx.now().plus(LINK_LIFE));
        let (identity, member) = (caller.identity().clone(), caller.name().clone());
        tx.insert_sign_in_link(&token.hash(), &SignInLink { identity, member, expires_at, used_at: None }).await?;
        let details = json!({ "member": caller.name().as_str(), "identity": caller.identity().to_string() });
        self.record_of_web(&mut tx, caller.actor(), AuditAction::WebLinkIssued, details).await?;
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
        self.still(caller)?;
        self.begin_web_session(tx, caller.clone(), by).await
    }

    /// Whose request it is that shows this cookie. Who they are is looked up each time.
    pub async fn visit(&self, cookie: &WebCookie) -> Result<Visit, EngineError> {
        let limits = self.web_limits()?;
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let session = tx.web_session(&cookie.hashes()).await?.ok_or(EngineError::SignedOut)?;
        let worth = session.times.worth(tx.now(), limits);
        let caller = self.caller(&session.identity, Surface::Web).ok().filter(|caller| *caller.name() == session.member);
        let caller = match (worth, caller) {
            (CookieWorth::Over, _) => return Err(EngineError::SignedOut),
            (CookieWorth::Stale, _) => return self.end_for(tx, &session, "a cookie was shown that had been exchanged").await,
            (_, None) => return self.end_for(tx, &session, "no longer a member").await,
            (CookieWorth::Good | CookieWorth::Renew, Some(caller)) => caller,
        };
        let renewed = match worth {
            CookieWorth::Renew => self.renew(&mut tx, &session, cookie).await?,
            _ => None,
        };
        let noted = renewed.is_some() || note(&mut tx, &session, limits).await?;
        if noted {
            tx.commit().await?;
        }
        let (browser, form_key) = (session.id, SecretString::from(session.form_key));
        Ok(Visit { caller, browser, form_key, renewed })
    }

    /// Signs this browser out.
    pub async fn sign_out(&self, caller: &Caller, browser: &WebSessionId) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        if tx.end_web_session(browser).await? {
            let details = json!({ "member": caller.name().as_str(), "browser": browser.as_str(), "why": "signed out" });
            self.record_of_web(&mut tx, caller.actor(), AuditAction::WebSignedOut, details).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Signs the caller out everywhere; how many browsers that were.
    pub async fn sign_out_everywhere(&self, caller: &Caller) -> Result<u64, EngineError> {
        let mut tx = self.store.begin().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        let browsers = tx.end_web_sessions(caller.name(), None).await?;
        let details = json!({ "member": caller.name().as_str(), "browsers": browsers, "why": "signed out everywhere" });
        self.record_of_web(&mut tx, caller.actor(), AuditAction::WebSignedOut, details).await?;
        tx.commit().await?;
        Ok(browsers)
    }

    /// Signs out whoever is not the member any more that they signed in as: they come back by signing in, and not by an old cookie.
    pub(super) async fn sign_out_who_is_gone(&self) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let signed_in = tx.signed_in().await?;
        drop(tx);
        for (identity, member) in signed_in.into_iter().filter(|(identity, member)| !self.is_still(identity, member)) {
            let mut tx = self.store.begin().await?;
            self.lock_member(&mut tx, &member).await?;
            if !self.is_still(&identity, &member) {
                self.end_browsers(&mut tx, &member, Some(&identity), "no longer a member").await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Signs out the browsers of a member, all or those of one identity, and says so in the audit log.
    pub(super) async fn end_browsers(
        &self,
        tx: &mut Tx,
        member: &MemberName,
        only: Option<&Identity>,
        why: &str,
    ) -> Result<(), EngineError> {
        let browsers = tx.end_web_sessions(member, only).await?;
        if browsers > 0 {
            let identity = only.map(ToString::to_string);
            let details = json!({ "member": member.as_str(), "identity": identity, "browsers": browsers, "why": why });
            self.record_of_web(tx, Actor::System, AuditAction::WebSignedOut, details).await?;
        }
        Ok(())
    }

    /// How long a browser stays signed in at the most.
    pub fn stays_signed_in(&self) -> Span {
        self.pages.map_or_else(|| Span::from_seconds(0), |limits| limits.longest)
    }

    fn is_still(&self, identity: &Identity, member: &MemberName) -> bool {
        self.member_behind(identity).as_ref() == Some(member)
    }

    fn web_limits(&self) -> Result<WebLimits, EngineError> {
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
        if self.is_still(&link.identity, &link.member) { Ok(link) } else { Err(EngineError::MemberLeft(link.member)) }
    }

    async fn begin_web_session(&self, mut tx: Tx, caller: Caller, by: &str) -> Result<SignedIn, EngineError> {
        let limits = self.web_limits()?;
        let now = tx.now();
        let cookie = WebCookie { family: Token::new(self.random.as_ref()), token: Token::new(self.random.as_ref()) };
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

    async fn renew(&self, tx: &mut Tx, session: &WebSession, shown: &WebCookie) -> Result<Option<WebCookie>, EngineError> {
        let token = Token::new(self.random.as_ref());
        let renewed = tx.renew_cookie(session, &shown.token.hash(), &token.hash()).await?;
        Ok(renewed.then(|| WebCookie { family: shown.family.clone(), token }))
    }

    async fn end_for(&self, mut tx: Tx, session: &WebSession, why: &str) -> Result<Visit, EngineError> {
        if tx.end_web_session(&session.id).await? {
            let details = json!({ "member": session.member.as_str(), "browser": session.id.as_str(), "why": why });
            self.record_of_web(&mut tx, Actor::System, AuditAction::WebSignedOut, details).await?;
            tx.commit().await?;
        }
        Err(EngineError::SignedOut)
    }

    async fn record_of_web(
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

impl WebCookie {
    /// A cookie as it came in a request.
    pub fn from_request(text: &str) -> Option<Self> {
        let (family, token) = text.split_once('.')?;
        Some(Self { family: Token::from_request(family), token: Token::from_request(token) })
    }

    /// The secrets themselves, for the browser alone.
    pub fn expose(&self) -> String {
        format!("{}.{}", self.family.expose(), self.token.expose())
    }

    fn hashes(&self) -> CookieHashes {
        CookieHashes { family: self.family.hash(), token: self.token.hash() }
    }
}

/// Notes that a browser was seen, and that its newest cookie is in use; whether there was anything to note.
async fn note(tx: &mut Tx, session: &WebSession, limits: WebLimits) -> Result<bool, EngineError> {
    let first = session.times.shown == ShownCookie::Newest { first: true };
    if first {
        let until = tx.now().plus(limits.grace());
        tx.end_cookie_before(&session.id, until).await?;
    }
    let is_news = tx.now() >= session.times.seen_at.plus(limits.noted_after());
    if is_news {
        tx.note_web_session_seen(&session.id).await?;
    }
    Ok(first || is_news)
}
