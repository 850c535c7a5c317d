//! Takes a surface's word for which of its roles somebody holds. Whoever holds one less has nothing open that it gave.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Engine, EngineError};
use crate::domain::{Actor, AuditAction, AuditEvent, Identity, MemberName, RoleIdentity, guest_name};

impl Engine {
    /// Somebody holds these roles of a surface now, and no others.
    pub async fn identity_holds(&self, identity: &Identity, roles: &BTreeSet<RoleIdentity>) -> Result<(), EngineError> {
        let configured = self.configured();
        let roles: BTreeSet<_> = roles.iter().filter(|role| configured.names_role(role)).cloned().collect();
        if self.holds_now(identity) == roles {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        // Whoever starts a session waits here or was before us: none slips in between.
        let before = self.member_behind(identity);
        if let Some(member) = &before {
            self.lock_member(&mut tx, member).await?;
        }
        // Whom this makes a member can be locked as soon as anybody hears of it.
        if let (None, Some(guest)) = (&before, guest_name(identity)) {
            tx.know_member(&guest).await?;
        }
        tx.known_changes().await?;
        tx.set_held_roles(identity, &roles).await?;
        let written: Vec<_> = roles.iter().map(ToString::to_string).collect();
        let member = before.as_ref().map(MemberName::as_str);
        let details = json!({ "identity": identity.to_string(), "member": member, "roles": written });
        let (at, actor) = (tx.now(), Actor::System);
        let event = AuditEvent { at, actor, action: AuditAction::RolesChanged, session: None, details };
        tx.record(&event, self.random.as_ref()).await?;
        tx.commit().await?;
        self.settle().await
    }

    /// Everybody who is known to hold a role of a surface, which has to be asked whether they still do.
    pub fn role_holders(&self) -> Vec<Identity> {
        self.known().held.keys().cloned().collect()
    }

    /// After what is known of people has changed: what nobody's roles give any more closes.
    pub(super) async fn settle(&self) -> Result<(), EngineError> {
        self.catch_up().await?;
        self.revoke_what_is_not_given().await?;
        Ok(())
    }

    fn holds_now(&self, identity: &Identity) -> BTreeSet<RoleIdentity> {
        self.known().held.get(identity).cloned().unwrap_or_default()
    }

    pub(super) fn member_behind(&self, identity: &Identity) -> Option<MemberName> {
        self.directory().member_of(identity).map(|member| member.name.clone())
    }
}
