//! Webhooks: tells receivers of the organization's choice what happens to sessions. Each has a loop of its own, and a slow one holds up
//! nobody else.

mod message;
mod send;

use std::sync::Arc;
use std::time::Duration;

use entryguard_core::config::WebhookSettings;
use entryguard_core::domain::Span;
use entryguard_core::engine::{Due, Engine, EngineError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use message::body_of;
use send::Sender;

/// How often a loop looks by itself; a change that this process hears of makes it look sooner.
const LOOK: Duration = Duration::from_secs(1);
/// How long a delivery is one replica's: longer than an attempt may take.
const HOLD: Span = Span::from_seconds(30);

/// Everybody who is to be told.
pub type Webhooks = Arc<Vec<WebhookSettings>>;

/// Tells them for ever, and those of a later configuration once there is one.
pub async fn run(engine: Arc<Engine>, mut configured: watch::Receiver<Webhooks>) {
    loop {
        let webhooks = Arc::clone(&configured.borrow_and_update());
        make_known(&engine, &webhooks).await;
        let mut loops = JoinSet::new();
        for webhook in webhooks.iter() {
            match Sender::new(webhook) {
                Ok(sender) => drop(loops.spawn(keep_told(Arc::clone(&engine), webhook.clone(), sender))),
                Err(error) => tracing::error!(webhook = %webhook.name, %error, "the system's TLS certificates cannot be read"),
            }
        }
        if configured.changed().await.is_err() {
            // Nobody reads the configuration again any more: it stays as it is.
            std::future::pending::<()>().await;
        }
        loops.shutdown().await;
    }
}

/// From here on everything that happens is kept for them.
async fn make_known(engine: &Engine, webhooks: &[WebhookSettings]) {
    let named: Vec<_> = webhooks.iter().map(|webhook| (webhook.name.clone(), webhook.url.clone())).collect();
    while let Err(error) = engine.know_webhooks(&named).await {
        tracing::error!(error = ?error, "webhooks could not be made known; trying again");
        tokio::time::sleep(LOOK).await;
    }
}

async fn keep_told(engine: Arc<Engine>, webhook: WebhookSettings, sender: Sender) {
    let mut changes = engine.changes();
    loop {
        match tell_next(&engine, &webhook, &sender).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(webhook = %webhook.name, error = ?error, "a webhook's events could not be read; trying again")
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { tokio::time::sleep(LOOK).await },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Sends what is due next; whether something was.
async fn tell_next(engine: &Engine, webhook: &WebhookSettings, sender: &Sender) -> Result<bool, EngineError> {
    let wants = |event: &str| webhook.events.iter().any(|pattern| pattern.covers(event));
    let Some(Due { delivery, view }) = engine.take_delivery(&webhook.name, wants, HOLD).await? else { return Ok(false) };
    // What was sent once is sent as it was, so that its receiver can tell it for the same.
    let body = match &delivery.body {
        Some(body) => body.clone(),
        None => body_of(&delivery.entry, view.as_ref(), &engine.directory()),
    };
    match sender.send(&delivery.entry.id, engine.now(), &body).await {
        Ok(()) => engine.delivered(&delivery).await?,
        Err(why) => engine.not_delivered(&delivery, &body, why).await?,
    }
    Ok(true)
}
