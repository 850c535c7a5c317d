//! What the pages seal with what they hand out, so that any replica knows it again: made of a secret in the database and of one outside of it,
//! so that neither who reads a backup nor who reads the configuration alone can seal anything.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha512};

use super::{Engine, EngineError};

/// The name of the database's part.
const NAME: &str = "seals of pages";

impl Engine {
    /// The key, the same for all replicas. `outside` is the configuration's part; where it has none, a file beside SQLite's has it.
    pub async fn seal_key(&self, outside: Option<&SecretString>) -> Result<SecretString, EngineError> {
        let mut tx = self.store.begin().await?;
        let inside = tx.shared_secret(NAME, self.random.as_ref()).await?;
        tx.commit().await?;
        let outside = match outside {
            Some(outside) => Some(outside.clone()),
            None => self.store.key_beside(self.random.as_ref())?,
        };
        if outside.is_none() {
            tracing::warn!(
                "whoever reads the database or a backup of it can make a page pass an address for one that was seen: the configuration has no \
                 secret that is not in it; give [server] a key"
            );
        }
        Ok(sealed_with(&inside, outside.as_ref()))
    }
}

fn sealed_with(inside: &SecretString, outside: Option<&SecretString>) -> SecretString {
    let outside = outside.map(ExposeSecret::expose_secret).unwrap_or_default();
    let mut hash = Sha512::new();
    // The length keeps the two apart.
    hash.update(format!("entryguard seal key\0{}\0", outside.len()));
    hash.update(outside);
    hash.update(inside.expose_secret());
    SecretString::from(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i8_neither_part_alone_is_enough() {
        let key = |inside: &str, outside: Option<&str>| {
            sealed_with(&SecretString::from(inside), outside.map(SecretString::from).as_ref()).expose_secret().to_owned()
        };
        let made = key("inside", Some("outside"));
        assert_eq!(made, key("inside", Some("outside")));
        for other in
            [key("inside", None), key("inside", Some("other")), key("other", Some("outside")), key("einside", Some("outsid"))]
        {
            assert_ne!(made, other);
        }
        assert!(!made.contains(&hex::encode("inside")), "it is not the database's secret");
    }
}
