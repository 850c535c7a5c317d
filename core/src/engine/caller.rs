//! Who is asking.

use crate::domain::{Actor, Identity, Member, MemberName, Surface};

use super::{Engine, EngineError};

/// A member whom a surface has recognized. There is no other way to make one than by an identity that a surface has verified.
#[derive(Clone, Debug)]
pub struct Caller {
    member: Member,
    surface: Surface,
}

impl Engine {
    /// The member whom a surface calls so.
    pub fn caller(&self, identity: &Identity, surface: Surface) -> Result<Caller, EngineError> {
        let member = self
            .directory
            .member_of(identity)
            .ok_or_else(|| EngineError::UnknownMember { identity: identity.to_string(), administrators: self.whom_to_ask() })?;
        Ok(Caller { member: member.clone(), surface })
    }

    /// The administrators' names, for people who cannot go on by themselves.
    pub(super) fn whom_to_ask(&self) -> String {
        match self.directory.administrators().as_slice() {
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

    /// Where they ask.
    pub const fn surface(&self) -> Surface {
        self.surface
    }

    /// As the audit log names them.
    pub fn actor(&self) -> Actor {
        Actor::Member(self.member.name.clone(), self.surface)
    }
}
