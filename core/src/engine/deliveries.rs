//! What webhooks' receivers are told, and what became of it. At least once, in order; one receiver's trouble is nobody else's.

use super::{Engine, EngineError};
use crate::domain::{Drift, DriftKind, SessionId, Span, WebhookName};
use crate::reconcile::backoff::delay_up_to;
use crate::store::{Delivery, SessionView, StoreError, Tx, Undelivered};

/// How long a receiver may be away: what happened longer ago is given up, after it was tried once more.
const GIVE_UP_AFTER: Span = Span::from_hours(5 * 24);
/// The longest wait between two tries.
const LONGEST: Span = Span::from_hours(1);
/// The longest wait that a receiver may ask for.
const LONGEST_ASKED: Span = Span::from_hours(24);

/// What is to be sent, and what it is about as it stands now.
#[derive(Clone, Debug)]
pub struct Due {
    /// What happened.
    pub delivery: Delivery,
    /// The session; none where it cannot be read.
    pub view: Option<SessionView>,
}

/// Why something that was sent was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The receiver wants no more.
    Gone,
    /// It may take it later; it may have said when.
    Later {
        /// What went wrong.
        why: String,
        /// How long it asks to wait, at least.
        wait: Option<Span>,
    },
}

impl Engine {
    /// Makes webhooks known, each with its address.
    pub async fn know_webhooks(&self, webhooks: &[(WebhookName, String)]) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        for (name, url) in webhooks {
            tx.know_webhook(name, url).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Takes what a receiver is to be told next, for `hold`, if something is due and no other replica is at it. A session that cannot be
    /// read is set aside: it holds up nothing that comes after it.
    pub async fn take_delivery(
        &self,
        webhook: &WebhookName,
        wants: impl Fn(&str) -> bool,
        hold: Span,
    ) -> Result<Option<Due>, EngineError> {
        Ok(self.past_unreadable(|| self.try_to_take(webhook, &wants, hold)).await?)
    }

    async fn try_to_take(
        &self,
        webhook: &WebhookName,
        wants: &impl Fn(&str) -> bool,
        hold: Span,
    ) -> Result<Option<Due>, StoreError> {
        let mut tx = self.store.begin().await?;
        let delivery = tx.take_delivery(webhook, |entry| wants(&entry.action), hold).await?;
        let view = match delivery.as_ref().and_then(|delivery| delivery.entry.session.clone()) {
            Some(session) => tx.session(&SessionId::from_stored(session)).await?,
            None => None,
        };
        // What was passed over is not looked at again.
        tx.commit().await?;
        Ok(delivery.map(|delivery| Due { delivery, view }))
    }

    /// The receiver has it.
    pub async fn delivered(&self, delivery: &Delivery) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        tx.delivery_done(delivery).await?;
        Ok(tx.commit().await?)
    }

    /// The receiver does not have it: it is sent again as it was, until it is given up.
    pub async fn not_delivered(&self, delivery: &Delivery, body: &str, why: NotTaken) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        let name = &delivery.webhook;
        match why {
            NotTaken::Gone => {
                let error = "it answered 410 Gone";
                if tx.disable_webhook(delivery, error).await? {
                    tracing::error!(webhook = %name, "a webhook's receiver wants no more; nothing is sent until its url is another");
                    let what = format!("{name} answered that it wants no more, so nothing is sent until its url is another");
                    self.tell_of_webhook(&mut tx, what).await?;
                }
            }
            NotTaken::Later { why, .. } if tx.now().since(delivery.entry.at) >= GIVE_UP_AFTER => {
                if tx.delivery_done(delivery).await? {
                    tracing::error!(webhook = %name, event = delivery.entry.id, why, "an event was given up: its receiver has not taken it for days");
                    self.tell_of_webhook(&mut tx, format!("{name}: {} of {} ({why})", delivery.entry.action, delivery.entry.at))
                        .await?;
                }
            }
            NotTaken::Later { why, wait } => {
                tracing::warn!(webhook = %name, event = delivery.entry.id, why, "an event was not taken; trying again");
                let own = delay_up_to(LONGEST, delivery.attempts.saturating_add(1), self.random.as_ref());
                // Never sooner than ours: one that asks for no wait at all would be told the same as fast as it answers.
                let wait = wait.map_or(own, |asked| asked.min(LONGEST_ASKED).max(own));
                let outcome = Undelivered { body, error: &why, due_at: tx.now().plus(wait) };
                tx.delivery_failed(delivery, &outcome).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn tell_of_webhook(&self, tx: &mut Tx, what: String) -> Result<(), EngineError> {
        let drift = Drift { at: tx.now(), kind: DriftKind::Undelivered, resource: None, what };
        Ok(tx.note_drift(&drift, self.random.as_ref()).await?)
    }
}

#[cfg(test)]
#[path = "deliveries_tests.rs"]
mod tests;
