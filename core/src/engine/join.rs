//! One person, two chats: a one-time code that is handed out where somebody is known joins their identity elsewhere to the same
//! member, once it is confirmed there.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::offer::MOST_LINKS;
use super::{Caller, Engine, EngineError};
use crate::domain::{Actor, AuditAction, AuditEvent, Identity, MemberName, Span, Surface, Timestamp, guest_name, is_guest};
use crate::random::{self, Random};
use crate::store::Tx;

/// How long a code works.
const CODE_LIFE: Span = Span::from_minutes(10);
/// Crockford's digits: none looks like another.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many of them a code has: 60 random bits, for ten minutes.
const LENGTH: usize = 12;

/// A one-time code. Whoever shows it is taken for its member.
#[derive(Clone, Debug)]
pub struct JoinCode(SecretString);

/// A code, handed out.
#[derive(Clone, Debug)]
pub struct IssuedCode {
    /// What to type elsewhere.
    pub code: JoinCode,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// Whether a login at GitHub can be joined with it, too.
    pub logins: bool,
}

/// What a code would do.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The code, to be confirmed.
    pub code: JoinCode,
    /// Who one would be.
    pub member: MemberName,
    /// Where the code was handed out.
    pub from: Identity,
    /// What would be joined.
    pub identity: Identity,
    /// Who one is here until then, by a role alone.
    pub instead_of: Option<MemberName>,
}

impl Engine {
    /// Hands out a code, by which the caller can be joined by what they are elsewhere.
    pub async fn issue_join_code(&self, caller: &Caller) -> Result<IssuedCode, EngineError> {
        if is_guest(caller.name()) {
            return Err(EngineError::GuestsJoinOthers { administrators: self.whom_to_ask() });
        }
        let mut tx = self.store.begin().await?;
        self.served(&mut tx, caller).await?;
        let (code, expires_at) = (JoinCode::new(self.random.as_ref()), tx.now().plus(CODE_LIFE));
        let has_replaced = tx.insert_join_code(&code.hash(), caller.identity(), expires_at, MOST_LINKS).await?;
        if !has_replaced {
            let details = json!({ "member": caller.name().as_str(), "identity": caller.identity().to_string() });
            let (at, actor) = (tx.now(), caller.actor());
            let event = AuditEvent { at, actor, action: AuditAction::JoinCodeIssued, session: None, details };
            tx.record(&event, self.random.as_ref()).await?;
        }
        tx.commit().await?;
        Ok(IssuedCode { code, expires_at, logins: self.logins })
    }

    /// Whose code it is, and where they got it. Looking changes nothing.
    pub async fn whose_join_code(&self, code: &JoinCode) -> Result<(MemberName, Identity), EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        self.owner(&mut tx, code).await
    }

    /// What a code would do for whoever shows it. Looking changes nothing.
    pub async fn look_at_join_code(&self, identity: &Identity, code: &JoinCode) -> Result<Joining, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        self.joining(&mut tx, identity, code).await
    }

    /// Joins an identity to the member whose code it shows. The code is used up by it.
    pub async fn join(&self, identity: &Identity, surface: Surface, code: &JoinCode) -> Result<Joining, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let joining = self.joining(&mut tx, identity, code).await?;
        self.check_has_not_departed(identity)?;
        // What is closed for somebody stays closed under another name of theirs.
        for name in [Some(&joining.member), joining.instead_of.as_ref()].into_iter().flatten() {
            self.check_is_not_gone(name)?;
            self.check_no_panic(&mut tx, name).await?;
        }
        if !tx.use_join_code(&code.hash()).await? {
            return Err(EngineError::JoinCodeUnknown(CODE_LIFE));
        }
        tx.known_changes().await?;
        tx.join_identity(identity, &joining.member).await?;
        let details = json!({
            "member": joining.member.as_str(), "identity": identity.to_string(), "codeFrom": joining.from.to_string(),
            "insteadOf": joining.instead_of.as_ref().map(MemberName::as_str),
        });
        let (at, actor) = (tx.now(), Actor::Member(joining.member.clone(), surface));
        let event = AuditEvent { at, actor, action: AuditAction::IdentityJoined, session: None, details };
        tx.record(&event, self.random.as_ref()).await?;
        tx.commit().await?;
        self.settle().await?;
        Ok(joining)
    }

    /// Takes an identity that was joined to the caller away again: the one that they use, or another of theirs.
    pub async fn part(&self, caller: &Caller, identity: Option<&Identity>) -> Result<Identity, EngineError> {
        let identity = identity.unwrap_or_else(|| caller.identity()).clone();
        let mut tx = self.store.begin().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        // Whoever is gone, or closed at once, would go on as somebody else.
        self.served(&mut tx, caller).await?;
        self.check_no_panic(&mut tx, caller.name()).await?;
        if self.known().joined.get(&identity) != Some(caller.name()) {
            return Err(EngineError::NotJoined(identity));
        }
        tx.known_changes().await?;
        tx.part_identity(&identity).await?;
        if let Some(guest) = guest_name(&identity) {
            self.check_no_panic(&mut tx, &guest).await?;
            // Its roles may make it one, who can be locked as soon as anybody hears of it.
            tx.know_member(&guest).await?;
        }
        // Whatever link it asked for is somebody else's now, perhaps.
        tx.void_links(caller.name(), None).await?;
        tx.forget_confirmed(caller.name(), Some(&identity)).await?;
        let details = json!({ "member": caller.name().as_str(), "identity": identity.to_string() });
        let (at, actor) = (tx.now(), caller.actor());
        let event = AuditEvent { at, actor, action: AuditAction::IdentityParted, session: None, details };
        tx.record(&event, self.random.as_ref()).await?;
        tx.commit().await?;
        self.settle().await?;
        Ok(identity)
    }

    async fn joining(&self, tx: &mut Tx, identity: &Identity, code: &JoinCode) -> Result<Joining, EngineError> {
        let (member, from) = self.owner(tx, code).await?;
        let here = self.member_behind(identity);
        match &here {
            Some(here) if *here == member => return Err(EngineError::JoinedAlready(member)),
            Some(here) if !is_guest(here) => {
                return Err(EngineError::SomebodyElses { member: here.clone(), administrators: self.whom_to_ask() });
            }
            _ => {}
        }
        Ok(Joining { code: code.clone(), member, from, identity: identity.clone(), instead_of: here })
    }

    async fn owner(&self, tx: &mut Tx, code: &JoinCode) -> Result<(MemberName, Identity), EngineError> {
        let unknown = || EngineError::JoinCodeUnknown(CODE_LIFE);
        let from = tx.open_join_code(&code.hash()).await?.ok_or_else(unknown)?;
        // Whoever handed it out may have been parted from their member since, or be gone.
        let member = self.member_behind(&from).filter(|name| !is_guest(name) && self.is_still(&from, name));
        let member = member.ok_or_else(unknown)?;
        Ok((member, from))
    }
}

impl JoinCode {
    fn new(random: &dyn Random) -> Self {
        let digits: String =
            random::bytes::<LENGTH>(random).iter().map(|byte| char::from(DIGITS[usize::from(byte % 32)])).collect();
        Self(SecretString::from(digits))
    }

    /// A code as somebody typed it.
    pub fn typed(text: &str) -> Self {
        let digit = |c: char| match c.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            c if c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        };
        Self(SecretString::from(text.chars().filter_map(digit).collect::<String>()))
    }

    /// The code itself, in groups of four, to be shown to its owner alone.
    pub fn expose(&self) -> String {
        let digits: Vec<_> = self.0.expose_secret().chars().collect();
        digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    // It is random, and lives for minutes: it needs no salt and no slow hash.
    fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.expose_secret().as_bytes()))
    }
}

impl PartialEq for JoinCode {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for JoinCode {}

impl fmt::Display for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.identity, self.member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::OnSqlite;
    use crate::random::SystemRandom;

    const CONFIG: &str = r#"
[[member]]
name = "ana"
identities = ["slack:T/ANA"]
[[member]]
name = "ben"
identities = ["slack:T/BEN"]
"#;

    #[tokio::test]
    async fn of_many_codes_of_one_account_the_newest_work_and_the_log_does_not_grow_with_the_others() {
        let on = OnSqlite::with(CONFIG).await;
        let engine = &on.engine;
        let caller = |identity: &str| engine.caller(&identity.parse().unwrap(), Surface::Slack).unwrap();
        let (ana, elsewhere) = (caller("slack:T/ANA"), "discord:G/7".parse().unwrap());
        let of_another = engine.issue_join_code(&caller("slack:T/BEN")).await.unwrap();
        let mut codes = Vec::new();
        for _ in 0..MOST_LINKS + 5 {
            codes.push(engine.issue_join_code(&ana).await.unwrap().code);
            on.clock.advance(Span::from_seconds(1));
        }
        for (number, code) in codes.iter().enumerate() {
            let works = engine.look_at_join_code(&elsewhere, code).await.is_ok();
            assert_eq!(works, number >= 5, "code {number}");
        }
        assert!(engine.look_at_join_code(&elsewhere, &of_another.code).await.is_ok(), "another account's is left alone");
        let log = engine.store.audit_page(engine.store.audit_range(None, None).await.unwrap(), 1_000).await.unwrap();
        let recorded = log.iter().filter(|entry| entry.action == AuditAction::JoinCodeIssued.as_str());
        assert_eq!(recorded.count(), usize::try_from(MOST_LINKS + 1).unwrap());
        // Places are free again when codes are over, and each code that takes one is recorded.
        on.clock.advance(CODE_LIFE);
        let again = engine.issue_join_code(&ana).await.unwrap();
        assert!(engine.look_at_join_code(&elsewhere, &again.code).await.is_ok());
        let left = engine.look_at_join_code(&elsewhere, codes.last().unwrap()).await;
        assert!(matches!(left, Err(EngineError::JoinCodeUnknown(_))), "{left:?}");
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = JoinCode::new(&SystemRandom);
        let shown = code.expose();
        assert_eq!(shown.len(), LENGTH + 2);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('0', "o").replace('1', "l")] {
            assert_eq!(JoinCode::typed(&typed), code, "{typed}");
        }
        assert_ne!(JoinCode::typed(&shown[1..]), code);
        assert!(!format!("{code:?}").contains(&shown[..4]));
    }
}
