//! Browsers that are signed in to the pages, and the one-time links by which they are. Of every secret only the hash is kept.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{CookieTimes, Identity, MemberName, ShownCookie, Timestamp, WebSessionId};

/// Whom a one-time link signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInLink {
    /// As whom their chat knows them.
    pub identity: Identity,
    /// Who that was when the link was made.
    pub member: MemberName,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// What is kept of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieHashes {
    /// Of the half that stays.
    pub family: String,
    /// Of the half that is exchanged.
    pub token: String,
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    /// Its id.
    pub id: WebSessionId,
    /// How whoever signed in is named.
    pub identity: Identity,
    /// Who that was then.
    pub member: MemberName,
    /// What its forms' tokens are made with.
    pub form_key: String,
    /// What becomes of its cookie.
    pub times: CookieTimes,
}

impl Tx {
    /// Adds a link, by its token's hash; those that are over go, and the oldest of the member's where there are `most`. Whether one did
    /// that could still be used.
    pub async fn insert_sign_in_link(&mut self, hash: &str, link: &SignInLink, most: u32) -> Result<bool, StoreError> {
        let now = self.now.as_millis();
        sqlx::query("DELETE FROM sign_in_links WHERE expires_at < $1").bind(now).execute(&mut *self.inner).await?;
        let replaced = sqlx::query(
            "DELETE FROM sign_in_links WHERE member = $1 AND used_at IS NULL AND token_hash NOT IN (
                 SELECT token_hash FROM sign_in_links WHERE member = $1 AND used_at IS NULL
                 ORDER BY expires_at DESC, token_hash LIMIT $2)",
        )
        .bind(link.member.as_str())
        .bind(i64::from(most) - 1)
        .execute(&mut *self.inner)
        .await?;
        sqlx::query("INSERT INTO sign_in_links (token_hash, identity, member, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(hash)
            .bind(link.identity.to_string())
            .bind(link.member.as_str())
            .bind(link.expires_at.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(replaced.rows_affected() > 0)
    }

    /// The link with this token's hash.
    pub async fn sign_in_link(&mut self, hash: &str) -> Result<Option<SignInLink>, StoreError> {
        let row =
            sqlx::query("SELECT token_hash, identity, member, expires_at, used_at FROM sign_in_links WHERE token_hash = $1")
                .bind(hash)
                .fetch_optional(&mut *self.inner)
                .await?;
        let link = |row| {
            let read = Reader::new(row, "sign_in_links", "token_hash")?;
            Ok(SignInLink {
                identity: read.parsed("identity", |text| text.parse().ok())?,
                member: read.parsed("member", |text| MemberName::new(text).ok())?,
                expires_at: read.time("expires_at")?,
                used_at: read.optional_time("used_at")?,
            })
        };
        row.as_ref().map(link).transpose()
    }

    /// Uses a link up; false where somebody else was quicker.
    pub async fn use_sign_in_link(&mut self, hash: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE sign_in_links SET used_at = $1 WHERE token_hash = $2 AND used_at IS NULL AND expires_at > $1";
        let used = sqlx::query(sql).bind(self.now.as_millis()).bind(hash).execute(&mut *self.inner).await?;
        Ok(used.rows_affected() == 1)
    }

    /// Adds a browser that has signed in, by its cookie's hashes; those whose time is long over go.
    pub async fn insert_web_session(&mut self, session: &WebSession, cookie: &CookieHashes) -> Result<(), StoreError> {
        let now = self.now.as_millis();
        sqlx::query("DELETE FROM web_sessions WHERE expires_at < $1").bind(now).execute(&mut *self.inner).await?;
        sqlx::query(
            "INSERT INTO web_sessions
                (id, family_hash, token_hash, form_key, identity, member, created_at, renewed_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7, $8)",
        )
        .bind(session.id.as_str())
        .bind(&cookie.family)
        .bind(&cookie.token)
        .bind(&session.form_key)
        .bind(session.identity.to_string())
        .bind(session.member.as_str())
        .bind(now)
        .bind(session.times.expires_at.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The signed-in browser that a cookie is of, be it the newest or an old one.
    pub async fn web_session(&mut self, cookie: &CookieHashes) -> Result<Option<WebSession>, StoreError> {
        let row = sqlx::query(
            "SELECT id, token_hash, before_hash, before_until, form_key, identity, member, renewed_at, seen_at, expires_at
             FROM web_sessions WHERE family_hash = $1 AND ended_at IS NULL",
        )
        .bind(&cookie.family)
        .fetch_optional(&mut *self.inner)
        .await?;
        row.as_ref().map(|row| session_from(row, &cookie.token)).transpose()
    }

    /// Notes that a browser was seen.
    pub async fn note_web_session_seen(&mut self, id: &WebSessionId) -> Result<(), StoreError> {
        sqlx::query("UPDATE web_sessions SET seen_at = $1 WHERE id = $2")
            .bind(self.now.as_millis())
            .bind(id.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Notes that the newest cookie is in use, so that the one before has an end.
    pub async fn end_cookie_before(&mut self, id: &WebSessionId, until: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE web_sessions SET before_until = $1 WHERE id = $2 AND before_hash IS NOT NULL AND before_until IS NULL";
        sqlx::query(sql).bind(until.as_millis()).bind(id.as_str()).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Exchanges a cookie for a new one; false where somebody else was quicker.
    pub async fn renew_cookie(&mut self, session: &WebSession, shown_hash: &str, new_hash: &str) -> Result<bool, StoreError> {
        let sql = match session.times.shown {
            ShownCookie::Newest { .. } => {
                "UPDATE web_sessions SET before_hash = token_hash, before_until = NULL, token_hash = $1, renewed_at = $2, seen_at = $2
                 WHERE id = $3 AND token_hash = $4 AND renewed_at = $5 AND ended_at IS NULL"
            }
            ShownCookie::Before(_) | ShownCookie::Older => {
                "UPDATE web_sessions SET token_hash = $1, renewed_at = $2, seen_at = $2
                 WHERE id = $3 AND before_hash = $4 AND before_until IS NULL AND renewed_at = $5 AND ended_at IS NULL"
            }
        };
        let renewed = sqlx::query(sql)
            .bind(new_hash)
            .bind(self.now.as_millis())
            .bind(session.id.as_str())
            .bind(shown_hash)
            .bind(session.times.renewed_at.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Signs a browser out; false where it was already.
    pub async fn end_web_session(&mut self, id: &WebSessionId) -> Result<bool, StoreError> {
        let sql = "UPDATE web_sessions SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL";
        let ended = sqlx::query(sql).bind(self.now.as_millis()).bind(id.as_str()).execute(&mut *self.inner).await?;
        Ok(ended.rows_affected() == 1)
    }

    /// Signs a member's browsers out, all or those of one identity, and makes their links worthless; how many there were.
    pub async fn end_web_sessions(&mut self, member: &MemberName, only: Option<&Identity>) -> Result<u64, StoreError> {
        let (now, only) = (self.now.as_millis(), only.map(ToString::to_string).unwrap_or_default());
        // Earlier than any time that a transaction may have begun at.
        sqlx::query(
            "UPDATE sign_in_links SET expires_at = 0 WHERE member = $1 AND ($2 = '' OR identity = $2) AND used_at IS NULL",
        )
        .bind(member.as_str())
        .bind(&only)
        .execute(&mut *self.inner)
        .await?;
        let ended = sqlx::query(
            "UPDATE web_sessions SET ended_at = $3
             WHERE member = $1 AND ($2 = '' OR identity = $2) AND ended_at IS NULL AND expires_at > $3",
        )
        .bind(member.as_str())
        .bind(&only)
        .bind(now)
        .execute(&mut *self.inner)
        .await?;
        Ok(ended.rows_affected())
    }

    /// As whom browsers are signed in, and who that was when they did. One that cannot be read serves nobody, and hides nobody else.
    pub async fn signed_in(&mut self) -> Result<BTreeSet<(Identity, MemberName)>, StoreError> {
        let rows =
            sqlx::query("SELECT DISTINCT id, identity, member FROM web_sessions WHERE ended_at IS NULL AND expires_at > $1")
                .bind(self.now.as_millis())
                .fetch_all(&mut *self.inner)
                .await?;
        let who = |row: &AnyRow| {
            let read = Reader::new(row, "web_sessions", "id")?;
            let identity = read.parsed("identity", |text| text.parse().ok())?;
            Ok((identity, read.parsed("member", |text| MemberName::new(text).ok())?))
        };
        let readable = |row| match who(row) {
            Err(error @ StoreError::Unreadable { .. }) => {
                tracing::error!(%error, "who is signed in cannot be read");
                None
            }
            read => Some(read),
        };
        rows.iter().filter_map(readable).collect()
    }
}

fn session_from(row: &AnyRow, token_hash: &str) -> Result<WebSession, StoreError> {
    let read = Reader::new(row, "web_sessions", "id")?;
    let before_until = read.optional_time("before_until")?;
    let (newest, before) = (read.text("token_hash")?, read.optional_text("before_hash")?);
    let shown = match token_hash {
        shown if shown == newest => ShownCookie::Newest { first: before.is_some() && before_until.is_none() },
        shown if before.as_deref() == Some(shown) => ShownCookie::Before(before_until),
        _ => ShownCookie::Older,
    };
    Ok(WebSession {
        id: WebSessionId::from_stored(read.text("id")?),
        identity: read.parsed("identity", |text| text.parse().ok())?,
        member: read.parsed("member", |text| MemberName::new(text).ok())?,
        form_key: read.text("form_key")?,
        times: CookieTimes {
            renewed_at: read.time("renewed_at")?,
            seen_at: read.time("seen_at")?,
            expires_at: read.time("expires_at")?,
            shown,
        },
    })
}
