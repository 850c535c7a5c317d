//! Who is signed in to the pages, by the cookie of each request, and until when.

use secrecy::SecretString;
use serde_json::json;

use super::{Caller, Engine, EngineError, Token};
use crate::domain::{Actor, AuditAction, CookieWorth, Identity, MemberName, ShownCookie, Surface, WebLimits, WebSessionId};
use crate::random::Random;
use crate::store::{CookieHashes, Tx, WebSession};

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

/// By whom a request was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Somebody who did something.
    Person,
    /// A page that is open, by itself.
    OpenPage,
}

impl Engine {
    /// Whose request it is that shows this cookie. Who they are is looked up each time.
    pub async fn visit(&self, cookie: &WebCookie) -> Result<Visit, EngineError> {
        self.recognize(cookie, By::Person).await
    }

    /// The same, for what a page asks for by itself. An open page is nobody who uses it: it keeps no sign-in from ending, and gets no
    /// new cookie.
    pub async fn watch(&self, cookie: &WebCookie) -> Result<Visit, EngineError> {
        self.recognize(cookie, By::OpenPage).await
    }

    async fn recognize(&self, cookie: &WebCookie, by: By) -> Result<Visit, EngineError> {
        let limits = self.web_limits()?;
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let session = tx.web_session(&cookie.hashes()).await?.ok_or(EngineError::SignedOut)?;
        let worth = session.times.worth(tx.now(), limits);
        let caller = self.caller(&session.identity, Surface::Web).ok();
        let caller = caller.filter(|_| self.is_still(&session.identity, &session.member));
        let caller = match (worth, caller) {
            (CookieWorth::Over, _) => return Err(EngineError::SignedOut),
            (CookieWorth::Stale, _) => return self.end_for(tx, &session, "a cookie was shown that had been exchanged").await,
            (_, None) => return self.end_for(tx, &session, "no longer a member").await,
            (CookieWorth::Good | CookieWorth::Renew, Some(caller)) => caller,
        };
        let renewed = match (worth, by) {
            (CookieWorth::Renew, By::Person) => self.renew(&mut tx, &session, cookie).await?,
            _ => None,
        };
        let noted = renewed.is_some() || note(&mut tx, &session, limits, by).await?;
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

    /// Signs out the browsers of a member, all or those of one identity, and says so in the audit log; how many there were.
    pub(super) async fn end_browsers(
        &self,
        tx: &mut Tx,
        member: &MemberName,
        only: Option<&Identity>,
        why: &str,
    ) -> Result<u64, EngineError> {
        let browsers = tx.end_web_sessions(member, only).await?;
        if browsers > 0 {
            let identity = only.map(ToString::to_string);
            let details = json!({ "member": member.as_str(), "identity": identity, "browsers": browsers, "why": why });
            self.record_of_web(tx, Actor::System, AuditAction::WebSignedOut, details).await?;
        }
        Ok(browsers)
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
}

impl WebCookie {
    /// A new one.
    pub(super) fn new(random: &dyn Random) -> Self {
        Self { family: Token::new(random), token: Token::new(random) }
    }

    /// A cookie as it came in a request.
    pub fn from_request(text: &str) -> Option<Self> {
        let (family, token) = text.split_once('.')?;
        Some(Self { family: Token::from_request(family), token: Token::from_request(token) })
    }

    /// The secrets themselves, for the browser alone.
    pub fn expose(&self) -> String {
        format!("{}.{}", self.family.expose(), self.token.expose())
    }

    pub(super) fn hashes(&self) -> CookieHashes {
        CookieHashes { family: self.family.hash(), token: self.token.hash() }
    }
}

/// Notes that a browser was seen, and that its newest cookie is in use; whether there was anything to note.
async fn note(tx: &mut Tx, session: &WebSession, limits: WebLimits, by: By) -> Result<bool, EngineError> {
    let first = session.times.shown == ShownCookie::Newest { first: true };
    if first {
        let until = tx.now().plus(limits.grace());
        tx.end_cookie_before(&session.id, until).await?;
    }
    let is_news = by == By::Person && tx.now() >= session.times.seen_at.plus(limits.noted_after());
    if is_news {
        tx.note_web_session_seen(&session.id).await?;
    }
    Ok(first || is_news)
}
