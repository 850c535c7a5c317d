//! Socket Mode: Slack's requests over a connection that we open, for servers without a public address. The same handlers answer.
//!
//! There is no signature here: the connection is Slack's own, over TLS, for whoever has the app's token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use entryguard_core::random::SystemRandom;
use entryguard_outgoing::Way;
use futures_util::future::BoxFuture;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls};

use super::answers::Answers;
use super::timely::Asked;
use super::{SlackState, event, timely};
use crate::chat::{ChatError, NotTaken, Reconnect};
use crate::http;

/// Slack pings more often than this; a connection that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(60);
/// How long opening a connection may take.
const OPENING: Duration = Duration::from_secs(10);
/// How long what is left on an old connection is still taken.
const DRAIN: Duration = Duration::from_secs(10);
/// How long saying good-bye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Why Slack ends a connection that it wants to have replaced by another one. All else it does not want at all: `too_many_websockets`
/// (an app has ten at the most), `link_disabled` (Socket Mode is switched off).
const REPLACED: [&str; 2] = ["warning", "refresh_requested"];

/// What is said where the answer to a command was lost with the server that gave it.
const LOST: &str =
    "EntryGuard has taken this command, and its answer was lost on the way. `/entryguard list` shows what came of it.";

type Socket = WebSocketStream<MaybeTlsStream<TokioIo<Way>>>;
/// A connection that is being opened, and how often in a row that came to nothing before.
type Next = BoxFuture<'static, (Socket, Reconnect)>;

/// Takes Slack's requests from a socket.
#[derive(Clone)]
pub struct SocketWorker {
    state: SlackState,
    answers: Arc<Answers>,
}

/// A connection, and the acknowledgements that are on their way to it.
struct Line {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    acknowledge: mpsc::Sender<Acknowledged>,
    acknowledged: mpsc::Receiver<Acknowledged>,
}

/// An acknowledgement, and who waits until it is written.
struct Acknowledged {
    text: String,
    written: oneshot::Sender<()>,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    /// It goes on.
    On,
    /// It goes on until the next one is there.
    Over,
    /// Slack does not want it.
    Away,
}

/// What Slack sends.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    envelope_id: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    accepts_response_payload: bool,
}

impl SocketWorker {
    /// A worker for the app of the configuration.
    pub fn new(state: SlackState) -> Self {
        Self { state, answers: Arc::default() }
    }

    /// Works for ever. A connection that Slack wants to be rid of is left only once the next one is there. There are three at the most:
    /// one that serves, one that is being opened, one that is being left.
    pub async fn run(self) {
        let mut left = None;
        let mut next = self.next(Reconnect::default());
        loop {
            let (socket, reconnect) = next.await;
            next = self.serve(socket, reconnect, &mut left).await;
        }
    }

    /// The next connection, however long it takes.
    fn next(&self, mut reconnect: Reconnect) -> Next {
        let this = self.clone();
        Box::pin(async move {
            let mut asked_to_wait = Duration::ZERO;
            loop {
                tokio::time::sleep(reconnect.wait(&SystemRandom).max(asked_to_wait)).await;
                match this.open().await {
                    Ok(socket) => return (socket, reconnect),
                    Err(error) => {
                        reconnect.failed();
                        asked_to_wait = if let ChatError::RateLimited(limit) = error {
                            limit.wait.unwrap_or_default()
                        } else {
                            Duration::ZERO
                        };
                        tracing::warn!(%error, "Slack's socket could not be opened; trying again");
                    }
                }
            }
        })
    }

    async fn open(&self) -> Result<Socket, ChatError> {
        let url = self.state.api.open_connection().await?;
        match tokio::time::timeout(OPENING, connect(url.as_str())).await {
            Ok(Ok(socket)) => {
                tracing::info!("Slack's socket is open");
                Ok(socket)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ChatError::Unreachable(format!("the socket did not open within {} s", OPENING.as_secs()))),
        }
    }

    /// Serves one connection until it ends, or until the next one is there that Slack has asked for; that next one, or what becomes it.
    async fn serve(&self, socket: Socket, mut reconnect: Reconnect, left: &mut Option<JoinHandle<()>>) -> Next {
        let mut line = Line::new(socket);
        let opened_at = Instant::now();
        // Opened beside the serving: whoever asked over this connection is answered here meanwhile.
        let mut next = None;
        let mut stopping = false;
        loop {
            let received = tokio::select! {
                Some(answer) = line.acknowledged.recv() => {
                    if !answer.write(&mut line.sink).await {
                        break;
                    }
                    continue;
                }
                // A server that is told to stop still answers what it has taken. What it has not, Slack sends to the next one.
                () = self.state.shared.stopping.cancelled(), if !stopping => {
                    stopping = true;
                    continue;
                }
                opened = opened(&mut next) => {
                    self.leave(line, left);
                    return Box::pin(std::future::ready(opened));
                }
                received = tokio::time::timeout(SILENCE, line.stream.next()), if !stopping => received,
            };
            let text = match received {
                Ok(Some(Ok(Message::Text(text)))) => text,
                // Answered by the library when it is next written to, which must not wait for an envelope.
                Ok(Some(Ok(Message::Ping(_)))) => {
                    if line.sink.flush().await.is_err() {
                        break;
                    }
                    continue;
                }
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => break,
                Ok(Some(Ok(_))) => continue,
            };
            match self.receive(&text, &line.acknowledge) {
                Goes::On => {}
                // Slack may say it again.
                Goes::Over if next.is_some() => {}
                Goes::Over => {
                    reconnect.ended(opened_at.elapsed());
                    next = Some(self.next(reconnect));
                }
                Goes::Away => {
                    let _ = tokio::time::timeout(GOODBYE, line.sink.close()).await;
                    reconnect.failed();
                    return next.unwrap_or_else(|| self.next(reconnect));
                }
            }
        }
        next.unwrap_or_else(|| {
            reconnect.ended(opened_at.elapsed());
            self.next(reconnect)
        })
    }

    /// Leaves a connection, once what is owed there is given. One that was left before has had its time.
    fn leave(&self, line: Line, left: &mut Option<JoinHandle<()>>) {
        let this = self.clone();
        let leaving = tokio::spawn(async move {
            let _ = tokio::time::timeout(DRAIN, Box::pin(this.drain(line))).await;
        });
        if let Some(before) = left.replace(leaving) {
            before.abort();
        }
    }

    /// Takes what still comes over a connection that is being left, and gives the answers that are still owed there.
    async fn drain(&self, mut line: Line) {
        loop {
            tokio::select! {
                Some(answer) = line.acknowledged.recv() => {
                    if !answer.write(&mut line.sink).await {
                        return;
                    }
                }
                received = line.stream.next() => match received {
                    Some(Ok(Message::Text(text))) => drop(self.receive(&text, &line.acknowledge)),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
            }
        }
    }

    /// Takes one message; what is to become of its connection.
    fn receive(&self, text: &str, acknowledge: &mpsc::Sender<Acknowledged>) -> Goes {
        let envelope: Envelope = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::warn!(%error, "a message on Slack's socket has an unknown shape");
                return Goes::On;
            }
        };
        match (envelope.kind.as_str(), &envelope.envelope_id) {
            ("disconnect", _) => {
                let reason = envelope.reason.unwrap_or_default();
                if REPLACED.contains(&reason.as_str()) {
                    return Goes::Over;
                }
                tracing::warn!(reason, "Slack does not want this connection; trying again later");
                Goes::Away
            }
            (_, Some(id)) => {
                let (this, id, acknowledge) = (self.clone(), id.clone(), acknowledge.clone());
                self.state.shared.promised.spawn(async move {
                    let began = Instant::now();
                    if let Some(answer) = this.answer(&id, envelope).await {
                        http::acknowledged("slack", began.elapsed().as_secs_f64());
                        let (written, is_written) = oneshot::channel();
                        let answer = Acknowledged { text: answer.to_string(), written };
                        // The connection may be gone: Slack sends the envelope again over the next one.
                        if acknowledge.send(answer).await.is_ok() {
                            let _ = is_written.await;
                        }
                    }
                });
                Goes::On
            }
            (_, None) => Goes::On,
        }
    }

    /// What to acknowledge an envelope with; nothing where it could not be taken, so that Slack sends it again. One that comes again,
    /// because the acknowledgement was lost or is not there yet, gets the same.
    async fn answer(&self, id: &str, envelope: Envelope) -> Option<Value> {
        let given = self.answers.to(id);
        let answer = given.get_or_try_init(|| self.take(id, envelope)).await;
        answer.ok().cloned()
    }

    async fn take(&self, id: &str, envelope: Envelope) -> Result<Value, ()> {
        let Envelope { kind, payload, accepts_response_payload, .. } = envelope;
        let answer = match kind.as_str() {
            // An event has a name of its own by which it is accepted once, and that only when its work is done.
            "events_api" => self.of_event(payload).await?,
            "slash_commands" => match serde_json::from_value(payload) {
                Ok(command) => self.of_person(id, Asked::Command(command)).await?,
                Err(error) => unknown(&error),
            },
            "interactive" => match serde_json::from_value(payload) {
                Ok(payload) => self.of_person(id, Asked::Interaction(payload)).await?,
                Err(error) => unknown(&error),
            },
            other => {
                tracing::debug!(kind = other, "an envelope that nothing answers");
                None
            }
        };
        Ok(match answer.filter(|_| accepts_response_payload) {
            Some(answer) => json!({ "envelope_id": id, "payload": answer }),
            None => json!({ "envelope_id": id }),
        })
    }

    async fn of_person(&self, id: &str, asked: Asked) -> Result<Option<Value>, ()> {
        let lost = asked.is_command().then(|| json!({ "response_type": "ephemeral", "text": LOST }));
        match timely::respond(&self.state, format!("envelope:{id}"), asked).await {
            Ok(answer) => Ok(answer),
            // It was taken by a server that has died since, or by another one.
            Err(NotTaken::Repeated) => Ok(lost),
            Err(NotTaken::Unchecked(_)) => Err(()),
        }
    }

    async fn of_event(&self, payload: Value) -> Result<Option<Value>, ()> {
        match serde_json::from_value(payload) {
            Ok(request) => event::answer(&self.state, request).await,
            Err(error) => Ok(unknown(&error)),
        }
    }
}

impl Acknowledged {
    /// Writes it; false where the connection is gone.
    async fn write(self, sink: &mut SplitSink<Socket, Message>) -> bool {
        let is_there = sink.send(Message::text(self.text)).await.is_ok();
        // Whoever waited for that may have gone.
        let _ = self.written.send(());
        is_there
    }
}

impl Line {
    fn new(socket: Socket) -> Self {
        let (sink, stream) = socket.split();
        let (acknowledge, acknowledged) = mpsc::channel(64);
        Self { sink, stream, acknowledge, acknowledged }
    }
}

/// The connection that is being opened; waits for ever where none is.
async fn opened(next: &mut Option<Next>) -> (Socket, Reconnect) {
    match next {
        Some(next) => next.await,
        None => std::future::pending().await,
    }
}

fn unknown(error: &serde_json::Error) -> Option<Value> {
    tracing::warn!(%error, "an envelope has an unknown shape");
    None
}

/// Opens a socket, through the proxy of the environment where there is one. The URL has a ticket in it: it is not repeated.
async fn connect(url: &str) -> Result<Socket, ChatError> {
    let unreachable = |why: &str| ChatError::Unreachable(format!("the socket: {why}"));
    let way_to = url.replacen("ws", "http", 1).parse().map_err(|_| unreachable("its address is none"))?;
    let stream = entryguard_outgoing::open(way_to).await.map_err(|error| unreachable(&error.to_string()))?;
    let (socket, _) = client_async_tls(url, stream).await.map_err(|error| unreachable(kind_of(&error)))?;
    Ok(socket)
}

const fn kind_of(error: &tokio_tungstenite::tungstenite::Error) -> &'static str {
    use tokio_tungstenite::tungstenite::Error;
    match error {
        Error::Io(_) => "the network",
        Error::Tls(_) => "TLS",
        Error::Http(_) => "refused",
        _ => "not a WebSocket",
    }
}
