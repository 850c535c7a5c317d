//! Socket Mode: the connections that the app has opened, and what Slack sends over them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, oneshot};
use tokio_tungstenite::tungstenite::Message;

use super::Shared;

/// How long a connection lasts after it was announced that it ends.
const LINGERS: Duration = Duration::from_secs(3);
/// How long an acknowledgement is waited for. Slack waits for three seconds; whether those are kept is for the tests of time to say.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);

/// What a test tells every open connection.
#[derive(Debug, Clone)]
pub enum Order {
    /// Send this envelope.
    Send(String),
    /// Announce that the connection ends, and end it a moment later.
    Refresh,
    /// End without a word.
    Drop,
}

/// Listens for connections of the app; the URL to give it.
pub async fn listen(shared: Arc<Shared>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(Arc::clone(&shared), stream));
        }
    });
    format!("ws://{address}/link/?ticket=5ec7e7")
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let hello = json!({ "type": "hello", "num_connections": 1, "connection_info": { "app_id": "AAPP" } }).to_string();
    if socket.send(Message::text(hello)).await.is_err() {
        return;
    }
    let (mut orders, unwanted) = {
        let mut state = shared.state();
        state.sockets.opened += 1;
        state.sockets.open += 1;
        state.sockets.most = state.sockets.most.max(state.sockets.open);
        state.sockets.opened_at.push(std::time::Instant::now());
        (state.sockets.orders.subscribe(), state.sockets.unwanted)
    };
    match unwanted {
        Some("") => {
            shared.state().sockets.open -= 1;
            return;
        }
        // Slack leaves it to the app to go.
        Some(reason) => drop(socket.send(Message::text(json!({ "type": "disconnect", "reason": reason }).to_string())).await),
        None => {}
    }
    // Once it is announced that the connection ends, nothing more comes over it, and what the app still says is heard for a while.
    let mut ends = None;
    loop {
        let end = async {
            match ends {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = end => break,
            order = orders.recv() => match order {
                Ok(Order::Send(text)) if ends.is_none() => drop(socket.send(Message::text(text)).await),
                Ok(Order::Send(_)) => {}
                Ok(Order::Refresh) => {
                    let text = json!({ "type": "disconnect", "reason": "refresh_requested" }).to_string();
                    drop(socket.send(Message::text(text)).await);
                    ends = Some(tokio::time::Instant::now() + LINGERS);
                }
                Ok(Order::Drop) | Err(_) => break,
            },
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => shared.acknowledged(&text),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    shared.state().sockets.open -= 1;
}

/// The connections and what waits for an acknowledgement.
#[derive(Debug)]
pub struct Sockets {
    pub url: String,
    pub opened: u32,
    pub open: u32,
    /// How many there were at once at the most, and when each was opened.
    pub most: u32,
    pub opened_at: Vec<std::time::Instant>,
    /// Why Slack wants no connection, if it does not; it ends each without a word where there is no reason.
    pub unwanted: Option<&'static str>,
    pub orders: broadcast::Sender<Order>,
    waiting: Vec<(String, oneshot::Sender<Value>)>,
}

impl Default for Sockets {
    fn default() -> Self {
        let orders = broadcast::channel(64).0;
        let (url, opened_at, waiting) = Default::default();
        Self { url, opened: 0, open: 0, most: 0, opened_at, unwanted: None, orders, waiting }
    }
}

impl Shared {
    /// Sends an envelope over the app's connection, and gives what it acknowledges with.
    pub async fn send_envelope(&self, id: &str, kind: &str, payload: Value) -> Option<Value> {
        let envelope = json!({
            "type": kind, "envelope_id": id, "payload": payload, "accepts_response_payload": kind != "events_api",
        });
        let (done, wait) = oneshot::channel();
        {
            let mut state = self.state();
            state.sockets.waiting.push((id.to_owned(), done));
            drop(state.sockets.orders.send(Order::Send(envelope.to_string())));
        }
        tokio::time::timeout(ACKNOWLEDGED, wait).await.ok()?.ok()
    }

    fn acknowledged(&self, text: &str) {
        let answer: Value = serde_json::from_str(text).unwrap_or_default();
        let mut state = self.state();
        let known = state.sockets.waiting.iter().position(|(id, _)| answer["envelope_id"] == *id.as_str());
        match known {
            Some(place) => {
                let (_, done) = state.sockets.waiting.remove(place);
                drop(done.send(answer["payload"].clone()));
            }
            None => state.violations.push(format!("socket: acknowledged what was not sent: {text}")),
        }
    }
}
