//! The secret that the pages seal what they hand out with, so that any replica knows it again.

use secrecy::SecretString;

use super::{Engine, EngineError};

/// Its name in the database.
const NAME: &str = "seals of pages";

impl Engine {
    /// The secret: 64 random bytes in hexadecimal, the same for all replicas.
    pub async fn seal_key(&self) -> Result<SecretString, EngineError> {
        let mut tx = self.store.begin().await?;
        let secret = tx.shared_secret(NAME, self.random.as_ref()).await?;
        tx.commit().await?;
        Ok(secret)
    }
}
