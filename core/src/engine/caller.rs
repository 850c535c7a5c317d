//! Who is asking.

use crate::domain::{Actor, Identity, Member, MemberName, Scope, Scopes, Surface};
use crate::store::Tx;

use super::{Engine, EngineError};

/// A member whom a surface has recognized. There is no other way to make one than by an identity that a surface has verified.
#[derive(Clone, Debug)]
pub struct Caller {
    member: Member,
    identity: Identity,
    surface: Surface,
    scopes: Scopes,
}

impl Engine {
    /// The member whom a surface calls so.
    pub fn caller(&self, identity: &Identity, surface: Surface) -> Result<Caller, EngineError> {
        let directory = self.directory();
        let member = directory.member_of(identity).ok_or_else(|| self.unknown(identity))?;
        Ok(Caller::new(member.clone(), identity.clone(), surface))
    }

    /// Whether a caller is who they were when they were recognized: what people are known as can change meanwhile. Closing takes no more
    /// than this.
    pub(super) async fn recognized(&self, tx: &mut Tx, caller: &Caller) -> Result<(), EngineError> {
        if let Identity::ApiKey(name) = &caller.identity {
            return self.key_still(tx, name, caller.name()).await;
        }
        match self.directory().member_of(&caller.identity) {
            Some(member) if member.name == caller.member.name => Ok(()),
            _ => Err(self.unknown(&caller.identity)),
        }
    }

    /// The same, for whatever does more than close: nobody acts as an account that is gone, whatever else its member is.
    pub(super) async fn still(&self, tx: &mut Tx, caller: &Caller) -> Result<(), EngineError> {
        self.recognized(tx, caller).await?;
        self.check_has_not_departed(&caller.identity)
    }

    /// The same, for whatever opens, or shows what is others': whoever is gone elsewhere is served nowhere.
    pub(super) async fn served(&self, tx: &mut Tx, caller: &Caller) -> Result<(), EngineError> {
        self.catch_up_in(tx).await?;
        self.still(tx, caller).await?;
        self.check_is_not_gone(caller.name())
    }

    pub(super) fn unknown(&self, identity: &Identity) -> EngineError {
        EngineError::UnknownMember { identity: identity.to_string(), administrators: self.whom_to_ask() }
    }

    /// The administrators' names, for people who cannot go on by themselves.
    pub(super) fn whom_to_ask(&self) -> String {
        match self.configured().administrators().as_slice() {
            [] => "whoever runs EntryGuard".to_owned(),
            names => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" or "),
        }
    }
}

impl Caller {
    fn new(member: Member, identity: Identity, surface: Surface) -> Self {
        let scopes = match identity {
            // A token is for opening something, once; whoever has it needs nothing more.
            Identity::Github(_) => Scopes::of(&[Scope::SessionsWrite]),
            _ => Scopes::all(),
        };
        Self { member, identity, surface, scopes }
    }

    /// Whoever shows a key of a member's.
    pub(super) fn by_key(member: Member, name: &str, scopes: Scopes) -> Self {
        Self { member, identity: Identity::ApiKey(name.to_owned()), surface: Surface::Api, scopes }
    }

    /// Refuses where what the caller showed is not for this.
    pub fn may(&self, scope: Scope) -> Result<(), EngineError> {
        if self.scopes.has(scope) { Ok(()) } else { Err(EngineError::ScopeMissing(scope)) }
    }

    /// What the caller may do with what they showed.
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The member's name.
    pub const fn name(&self) -> &MemberName {
        &self.member.name
    }

    /// Where the member can be written to.
    pub fn email(&self) -> Option<&str> {
        self.member.email.as_deref()
    }

    /// Whether they may see and stop everybody's sessions.
    pub const fn is_admin(&self) -> bool {
        self.member.admin
    }

    /// How the surface names them.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How other surfaces name them.
    pub fn elsewhere(&self) -> Vec<Identity> {
        self.member.identities.iter().filter(|identity| **identity != self.identity).cloned().collect()
    }

    /// Where they ask.
    pub const fn surface(&self) -> Surface {
        self.surface
    }

    /// As the audit log names them.
    pub fn actor(&self) -> Actor {
        Actor::Member(self.member.name.clone(), self.surface)
    }
}
