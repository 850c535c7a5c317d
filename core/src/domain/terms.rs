//! On what terms a member may ask: whose approval it takes, and how the address may be learnt. The most restrictive role wins.

use std::collections::BTreeSet;

use super::{Approval, Directory, Identity, MemberName, Role, RoleName, Session, Span, Surface};

/// How long a confirmed address may be used again where a role does not say.
pub const REMEMBERED_FOR: Span = Span::from_hours(12);

/// A role's demand that somebody else agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRule {
    /// Who may agree.
    pub by: Vec<Approver>,
    /// How long they have.
    pub within: Span,
}

/// Somebody who may agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approver {
    /// Every member of a role.
    Role(RoleName),
    /// One member.
    Member(MemberName),
}

/// The terms of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose approval it takes, if it takes one.
    pub approval: Option<ApprovalTerms>,
    /// Whether an approval may be done without in an emergency.
    pub break_glass: bool,
    /// How long a confirmed address may be used again, if at all.
    pub remember_address: Option<Span>,
    /// Whether an address may be given by hand.
    pub explicit_ip: bool,
}

/// Whose approval a member's sessions take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalTerms {
    /// Who may agree, and to all of it; never the member.
    pub approvers: BTreeSet<MemberName>,
    /// How long they have.
    pub within: Span,
}

impl Directory {
    /// On what terms a member may ask for what their roles give them.
    pub fn terms_of(&self, member: &MemberName) -> Terms {
        let roles: Vec<_> = self.roles_of(member).filter(|role| !role.resources.is_empty()).collect();
        let asking: Vec<_> = roles.iter().filter(|role| role.approval.is_some()).collect();
        Terms {
            approval: self.approval_of(member, &roles),
            break_glass: !asking.is_empty() && asking.iter().all(|role| role.break_glass),
            remember_address: roles.iter().map(|role| role.remember_address).min().flatten(),
            explicit_ip: !roles.is_empty() && roles.iter().all(|role| role.explicit_ip),
        }
    }

    /// Who may give a session more time, where its member may not: more time takes what a new session would take, so it is up to whoever
    /// may agree to one, and to administrators; never to the member.
    pub fn extenders_of(&self, session: &Session) -> Option<BTreeSet<MemberName>> {
        let terms = self.terms_of(&session.member);
        let approvers = terms.approval?.approvers;
        if session.approval == Approval::BreakGlass && terms.break_glass {
            return None;
        }
        let administrators = self.administrators().into_iter().cloned();
        let mut extenders: BTreeSet<_> = approvers.into_iter().chain(administrators).collect();
        extenders.remove(&session.member);
        Some(extenders)
    }

    /// Whoever may break the glass without anybody of these chats hearing of it.
    pub fn unheard(&self, chats: &[Surface]) -> Vec<&MemberName> {
        let hears = |name: &MemberName| {
            let identities = self.members.get(name).map(|member| member.identities.as_slice()).unwrap_or_default();
            identities.iter().filter_map(Identity::chat).any(|chat| chats.contains(&chat))
        };
        let is_unheard = |name: &&MemberName| {
            let terms = self.terms_of(name);
            let approvers = terms.approval.map(|approval| approval.approvers).unwrap_or_default();
            let administrators = self.administrators().into_iter().filter(|admin| admin != name).cloned();
            terms.break_glass && !approvers.into_iter().chain(administrators).any(|name| hears(&name))
        };
        self.members.keys().filter(is_unheard).collect()
    }

    /// A session opens what all of the roles give, so whoever agrees to it must be asked by all of them.
    fn approval_of(&self, member: &MemberName, roles: &[&Role]) -> Option<ApprovalTerms> {
        let rules = roles.iter().filter_map(|role| role.approval.as_ref());
        let each = rules.map(|rule| ApprovalTerms { approvers: self.approvers(rule), within: rule.within });
        let all = each.reduce(|one, other| ApprovalTerms {
            approvers: one.approvers.intersection(&other.approvers).cloned().collect(),
            within: one.within.min(other.within),
        });
        all.map(|mut terms| {
            terms.approvers.remove(member);
            terms
        })
    }

    fn approvers(&self, rule: &ApprovalRule) -> BTreeSet<MemberName> {
        let named = |approver: &Approver| match approver {
            Approver::Member(name) => vec![name.clone()],
            Approver::Role(name) => self.roles.get(name).map(|role| role.members.clone()).unwrap_or_default(),
        };
        rule.by.iter().flat_map(named).collect()
    }
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
