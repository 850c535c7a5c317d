//! API keys: made and taken back where the database is, and whoever shows one.
//!
//! A key acts as the member that it was made for, as long as the configuration has them. Where the configuration gives the key's
//! identity (`api-key:NAME`) to somebody, it must be that member: what it gives to one is no other's.

use serde_json::json;

use super::apart::to_each;
use super::ending::end_as;
use super::{Caller, Engine, EngineError};
use crate::domain::{
    Actor, ApiKey, ApiKeyName, ApiKeyRecord, ApiKeyStanding, AuditAction, AuditEvent, Directory, Identity, Member, MemberName,
    Scope, Scopes, SessionId, Span, Surface, Timestamp,
};
use crate::random::Random;
use crate::store::{Store, StoreError, Tx};

/// A key to be.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    /// As whom it acts.
    pub member: MemberName,
    /// What it may do.
    pub scopes: Scopes,
    /// What to call it; a name is made up where there is none.
    pub name: Option<ApiKeyName>,
    /// For how long it is good; until it is taken back where there is nothing.
    pub expires_in: Option<Span>,
}

/// Why a key was not made, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Nobody of that name.
    #[error("there is no member {0} in the configuration; a key acts as one of its members")]
    NoMember(MemberName),
    /// A scope that only administrators have a use for.
    #[error("{0} is no administrator, and audit:read is for administrators alone; leave it out")]
    AuditIsForAdministrators(MemberName),
    /// The configuration gives the name to somebody else.
    #[error("the configuration gives `api-key:{name}` to {owner}; make the key for {owner}, or give it another name")]
    NameOfAnother {
        /// The name.
        name: ApiKeyName,
        /// Whose it is.
        owner: MemberName,
    },
    /// A name is given once.
    #[error("there is a key named {0} already, or there was one; give another --name")]
    NameTaken(ApiKeyName),
    /// No such key.
    #[error("there is no key named {0}; `entryguard api-key list` shows them")]
    Unknown(ApiKeyName),
    /// The database's trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefused {
    /// No such key.
    #[error("This API key is not one of ours. Copy all of it, or ask an administrator for a new one.")]
    Unknown,
    /// Its time is over.
    #[error("This API key expired at {0}. Ask an administrator for a new one.")]
    Expired(Timestamp),
    /// Somebody took it back.
    #[error("This API key was revoked at {0}. Ask an administrator for a new one.")]
    Revoked(Timestamp),
    /// The configuration gives its name to somebody else.
    #[error(
        "The configuration gives `api-key:{name}` to another member than the one that this key was made for. Ask an administrator for a new one."
    )]
    NameOfAnother {
        /// The key's name.
        name: ApiKeyName,
    },
}

/// Makes a key, and tells it this once.
pub async fn create_api_key(
    store: &Store,
    directory: &Directory,
    request: &KeyRequest,
    by: &str,
    random: &dyn Random,
) -> Result<(ApiKey, ApiKeyRecord), ApiKeyError> {
    let KeyRequest { member, scopes, name, expires_in } = request;
    let admin = directory.members.get(member).ok_or_else(|| ApiKeyError::NoMember(member.clone()))?.admin;
    if scopes.has(Scope::AuditRead) && !admin {
        return Err(ApiKeyError::AuditIsForAdministrators(member.clone()));
    }
    let name = name.clone().unwrap_or_else(|| ApiKeyName::made_for(member, random));
    if let Some(owner) = owner_of(directory, &name).filter(|owner| owner.name != *member) {
        return Err(ApiKeyError::NameOfAnother { name, owner: owner.name.clone() });
    }
    let mut tx = store.begin().await?;
    let (key, at) = (ApiKey::new(random), tx.now());
    let record = ApiKeyRecord {
        name,
        member: member.clone(),
        scopes: scopes.clone(),
        created_at: at,
        created_by: by.to_owned(),
        expires_at: expires_in.map(|span| at.plus(span)),
        revoked_at: None,
        last_used_at: None,
    };
    if !tx.insert_api_key(&record, &key.hash()).await? {
        return Err(ApiKeyError::NameTaken(record.name));
    }
    let details = json!({
        "name": record.name.as_str(), "member": member.as_str(), "scopes": scopes.to_string(),
        "expiresAt": record.expires_at.map(|at| at.to_string()),
    });
    let actor = Actor::Operator(by.to_owned());
    tx.record(&AuditEvent { at, actor, action: AuditAction::ApiKeyCreated, session: None, details }, random).await?;
    tx.commit().await?;
    Ok((key, record))
}

/// Every key there is or was, by name.
pub async fn api_keys(store: &Store) -> Result<Vec<ApiKeyRecord>, StoreError> {
    store.begin().await?.api_keys().await
}

/// Takes a key back; false where that was done before. Sessions that were started with it go on to their end: [`close_sessions_of_api_key`].
pub async fn revoke_api_key(store: &Store, name: &ApiKeyName, by: &str, random: &dyn Random) -> Result<bool, ApiKeyError> {
    let mut tx = store.begin().await?;
    let record = tx.api_key(name.as_str()).await?.ok_or_else(|| ApiKeyError::Unknown(name.clone()))?;
    // Whoever starts something with it has done so, or sees that it is taken back.
    tx.lock_member(&record.member).await?;
    if !tx.revoke_api_key(name).await? {
        return Ok(false);
    }
    let details = json!({ "name": name.as_str(), "member": record.member.as_str() });
    let (at, actor) = (tx.now(), Actor::Operator(by.to_owned()));
    tx.record(&AuditEvent { at, actor, action: AuditAction::ApiKeyRevoked, session: None, details }, random).await?;
    tx.commit().await?;
    Ok(true)
}

/// Ends the sessions that were started with a key; how many. Nothing starts with it any more once it is taken back.
pub async fn close_sessions_of_api_key(
    store: &Store,
    name: &ApiKeyName,
    by: &str,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    let live = store.begin().await?.live_sessions_of_api_key(name).await?;
    to_each(store, random, &live, |id| end_for_key(store, id, name, by, random)).await
}

async fn end_for_key(store: &Store, id: SessionId, name: &ApiKeyName, by: &str, random: &dyn Random) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let (actor, ended_by) = (Actor::Operator(by.to_owned()), format!("{by} (API key {name} was revoked)"));
    if !end_as(&mut tx, &id, actor, ended_by, json!({ "apiKey": name.as_str() }), random).await? {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

impl Engine {
    /// Whoever shows a key.
    pub async fn by_api_key(&self, key: &ApiKey) -> Result<Caller, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let record = tx.api_key_by_hash(&key.hash()).await?.ok_or(ApiKeyRefused::Unknown)?;
        let member = self.member_of_key(&record, tx.now())?;
        if tx.note_api_key_use(&record).await? {
            tx.commit().await?;
        }
        Ok(Caller::by_key(member, record.name.as_str(), record.scopes))
    }

    /// Whether a key is as good as it was when its caller was recognized.
    pub(super) async fn key_still(&self, tx: &mut Tx, name: &str, member: &MemberName) -> Result<(), EngineError> {
        let record = tx.api_key(name).await?.filter(|record| record.member == *member).ok_or(ApiKeyRefused::Unknown)?;
        self.member_of_key(&record, tx.now()).map(drop)
    }

    /// Whoever chose a key for their session: they see it and end it, also where they can start no other any more.
    pub(super) async fn holder(&self, tx: &mut Tx, identity: &Identity) -> Result<Caller, EngineError> {
        let Identity::ApiKey(name) = identity else { return self.caller(identity, Surface::Github) };
        let record = tx.api_key(name).await?.ok_or(ApiKeyRefused::Unknown)?;
        let directory = self.directory();
        let member = directory.members.get(&record.member).ok_or(EngineError::MemberLeft(record.member))?;
        Ok(Caller::by_key(member.clone(), name, record.scopes))
    }

    fn member_of_key(&self, record: &ApiKeyRecord, now: Timestamp) -> Result<Member, EngineError> {
        match record.standing(now) {
            ApiKeyStanding::Good => {}
            ApiKeyStanding::Expired(at) => return Err(ApiKeyRefused::Expired(at).into()),
            ApiKeyStanding::Revoked(at) => return Err(ApiKeyRefused::Revoked(at).into()),
        }
        let directory = self.directory();
        if owner_of(&directory, &record.name).is_some_and(|owner| owner.name != record.member) {
            return Err(ApiKeyRefused::NameOfAnother { name: record.name.clone() }.into());
        }
        let member = directory.members.get(&record.member).ok_or_else(|| EngineError::MemberLeft(record.member.clone()))?;
        Ok(member.clone())
    }
}

/// Whom the configuration gives a key's name to, if anybody.
fn owner_of<'a>(directory: &'a Directory, name: &ApiKeyName) -> Option<&'a Member> {
    directory.member_of(&Identity::ApiKey(name.as_str().to_owned()))
}
