//! The Gateway: the connections that the app has opened, and what Discord sends over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{DiscordDouble, Shared};

/// What Discord sends for the session of a connection, once.
const SESSION: &str = "session-of-the-tests";
/// How often the app has to beat, in milliseconds.
const HEARTBEAT: u64 = 2000;

/// What a test tells the open connection.
#[derive(Debug, Clone)]
pub enum Order {
    /// Send what is new.
    Send,
    /// Break without a word.
    Drop,
    /// Ask the app to connect again.
    Reconnect,
}

/// The Gateway's session, and what waits for an answer.
#[derive(Debug)]
pub struct Gateway {
    pub url: String,
    pub identified: u32,
    pub resumed: u32,
    pub heartbeats: u32,
    pub open: u32,
    pub orders: broadcast::Sender<Order>,
    // Everything that was dispatched, in order: whoever resumes gets what it has not seen.
    dispatched: Vec<Value>,
    waiting: BTreeMap<String, oneshot::Sender<Value>>,
}

impl Default for Gateway {
    fn default() -> Self {
        let (url, (orders, _)) = (String::new(), broadcast::channel(16));
        let (identified, resumed, heartbeats, open) = (0, 0, 0, 0);
        Self { url, identified, resumed, heartbeats, open, orders, dispatched: Vec::new(), waiting: BTreeMap::new() }
    }
}

impl Gateway {
    /// Sends an interaction; its answer comes over REST.
    pub fn dispatch(&mut self, interaction: Value, token: String) -> oneshot::Receiver<Value> {
        let (answer, answered) = oneshot::channel();
        self.waiting.insert(token, answer);
        self.push(json!({ "op": 0, "t": "INTERACTION_CREATE", "d": interaction }));
        answered
    }

    /// Sends the last interaction once more.
    pub fn dispatch_last_again(&mut self) {
        let last = self.dispatched.last().expect("an interaction").clone();
        self.push(last);
    }

    fn push(&mut self, event: Value) {
        self.dispatched.push(event);
        // Nobody listens while no connection is open; the next one gets it.
        let _ = self.orders.send(Order::Send);
    }

    /// The app has answered an interaction over REST; whether anybody had asked.
    pub fn answered(&mut self, token: &str, answer: Value) -> bool {
        self.waiting.remove(token).is_some_and(|waiting| waiting.send(answer).is_ok())
    }

    fn after(&self, seq: usize) -> Vec<(usize, Value)> {
        let numbered = self.dispatched.iter().cloned().enumerate().map(|(index, event)| (index + 2, event));
        numbered.filter(|(number, _)| *number > seq).collect()
    }
}

/// Listens for connections of the app.
pub async fn listen(shared: &Arc<Shared>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    shared.state().gateway.url = format!("ws://{}", listener.local_addr().unwrap());
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(Arc::clone(&shared), stream));
        }
    });
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (mut sink, mut stream) = socket.split();
    let mut orders = {
        let mut state = shared.state();
        state.gateway.open += 1;
        state.gateway.orders.subscribe()
    };
    let mut sent = None;
    send(&mut sink, &json!({ "op": 10, "s": null, "t": null, "d": { "heartbeat_interval": HEARTBEAT } })).await;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Ok(Order::Send) => {}
                Ok(Order::Reconnect) => send(&mut sink, &json!({ "op": 7, "s": null, "t": null, "d": null })).await,
                Ok(Order::Drop) | Err(_) => break,
            },
            received = stream.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap_or_default();
                    let Some(answers) = receive(&shared, &message, &mut sent) else { break };
                    for answer in answers {
                        send(&mut sink, &answer).await;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
        // Whoever has a session gets what is new in it.
        let Some(seq) = &mut sent else { continue };
        let new = shared.state().gateway.after(*seq);
        for (number, mut event) in new {
            event["s"] = json!(number);
            send(&mut sink, &event).await;
            *seq = number;
        }
    }
    shared.state().gateway.open -= 1;
}

/// Takes one message of the app's; what to say, or nothing where the connection ends.
fn receive(shared: &Shared, message: &Value, sent: &mut Option<usize>) -> Option<Vec<Value>> {
    let mut state = shared.state();
    let data = &message["d"];
    let has_token = data["token"] == format!("Bot {}", DiscordDouble::BOT_TOKEN);
    match message["op"].as_u64() {
        Some(1) => {
            state.gateway.heartbeats += 1;
            Some(vec![json!({ "op": 11, "s": null, "t": null, "d": null })])
        }
        Some(2 | 6) if !has_token => {
            state.violations.push("the Gateway was opened without the bot's token".to_owned());
            None
        }
        Some(2) => {
            if data["intents"] != 0 {
                state.violations.push(format!("more is asked for than interactions: {}", data["intents"]));
            }
            state.gateway.identified += 1;
            *sent = Some(1 + state.gateway.dispatched.len());
            Some(vec![ready(&state.gateway.url)])
        }
        Some(6) if data["session_id"] == SESSION => {
            state.gateway.resumed += 1;
            *sent = data["seq"].as_u64().and_then(|seq| usize::try_from(seq).ok());
            // Only `s` says where in the order it stands; what was missed comes next.
            Some(vec![json!({ "op": 0, "s": data["seq"], "t": "RESUMED", "d": {} })])
        }
        Some(6) => Some(vec![json!({ "op": 9, "s": null, "t": null, "d": false })]),
        Some(3) => Some(Vec::new()),
        other => {
            state.violations.push(format!("the Gateway takes no message of kind {other:?}"));
            None
        }
    }
}

fn ready(url: &str) -> Value {
    let application = json!({ "id": DiscordDouble::APPLICATION.to_string(), "flags": 0 });
    json!({ "op": 0, "s": 1, "t": "READY", "d": {
        "v": 10, "user": super::sender::user(DiscordDouble::APPLICATION, true), "session_id": SESSION, "resume_gateway_url": url,
        "guilds": [{ "id": DiscordDouble::GUILD.to_string(), "unavailable": true }], "shard": [0, 1], "application": application,
    } })
}

async fn send(sink: &mut SplitSink<WebSocketStream<TcpStream>, Message>, value: &Value) {
    // A connection that is gone shows when it is read.
    let _ = sink.send(Message::text(value.to_string())).await;
}
