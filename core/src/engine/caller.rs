//! Who is asking.

use crate::domain::{Actor, Identity, Member, MemberName, Surface};

use super::{Engine, EngineError};

/// A member whom a surface has recognized. There is no other way to make one than by an identity that a surface has verified.
#[derive(Clone, Debug)]
pub struct Caller {
    member: Member,
    identity: Identity,
    surface: Surface,
}

impl Engine {
    /// The member whom a surface calls so.
    pub fn caller(&self, identity: &Identity, surface: Surface) -> Result<Caller, EngineError> {
        let directory = self.directory();
        let member = directory.member_of(identity).ok_or_else(|| self.unknown(identity))?;
        Ok(Caller { member: member.clone(), identity: identity.clone(), surface })
    }

    /// Whether a caller is who they were when they were recognized: what people are known as can change meanwhile.
    pub(super) fn still(&self, caller: &Caller) -> Result<(), EngineError> {
        match self.directory().member_of(&caller.identity) {
            Some(member) if member.name == caller.member.name => Ok(()),
            _ => Err(self.unknown(&caller.identity)),
        }
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
    pub(super) fn member(&self) -> Member {
        self.member.clone()
    }

    /// The member's name.
    pub const fn name(&self) -> &MemberName {
        &self.member.name
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
