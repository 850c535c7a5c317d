//! What a request holds in memory, counted: itself, each part of its body as it arrives, and its answer until it is sent. Its connection's place is told when the body
//! is there, and when the answer is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::places::{Drawn, Place};

/// What a request costs besides its body: its head, its headers' table, its handler.
pub const REQUEST: usize = 16 * 1024;
/// What a part of a body costs besides its bytes: without it a body of many small parts would take a multiple of its size.
const PART: usize = 64;
/// How long a request waits for bytes that others give back.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks whether there are some.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What of an answer is handed over at once: whatever is, is not counted any more.
const SENT_AT_ONCE: usize = 16 * 1024;

/// The bytes that one request holds until it is answered, or its answer until it is sent.
#[derive(Debug)]
pub struct Held {
    place: Arc<Place>,
    bytes: AtomicUsize,
    refused: AtomicBool,
}

/// There is no memory for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server reads too much at once; send the request again in a moment")]
pub struct TooMuch;

impl Held {
    /// Nothing yet.
    pub const fn none(place: Arc<Place>) -> Self {
        Self { place, bytes: AtomicUsize::new(0), refused: AtomicBool::new(false) }
    }

    /// Notes that the request is refused.
    pub fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether it was refused something, and so cannot be answered as it should be.
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes so many bytes more, and waits a moment for them.
    pub async fn draw(&self, bytes: usize) -> Result<(), TooMuch> {
        let drawn = tokio::time::timeout(PATIENCE, self.drawn(bytes)).await.unwrap_or(Err(TooMuch));
        drawn.inspect_err(|_| self.refuse())
    }

    async fn drawn(&self, bytes: usize) -> Result<(), TooMuch> {
        loop {
            // Before it is asked: what is given back in between must not be missed.
            let freed = self.place.freed();
            match self.try_draw(bytes) {
                Drawn::Granted => return Ok(()),
                // Another connection may begin to wait for its peer, without a notification, and is then closed.
                Drawn::Soon | Drawn::Refused => {
                    let _ = tokio::time::timeout(LOOK_AGAIN, freed).await;
                }
            }
        }
    }

    fn try_draw(&self, bytes: usize) -> Drawn {
        let drawn = self.place.draw(bytes);
        if drawn == Drawn::Granted {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        drawn
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.place.give_back(self.bytes.load(Ordering::Relaxed));
    }
}

type Drawing = Pin<Box<dyn Future<Output = Result<(), TooMuch>> + Send>>;

/// A request's body whose parts are paid for before anybody gets them.
pub struct Metered {
    inner: Incoming,
    held: Arc<Held>,
    /// A part that waits until it is paid for.
    unpaid: Option<(Drawing, Bytes)>,
}

impl Metered {
    /// The same body.
    pub const fn new(inner: Incoming, held: Arc<Held>) -> Self {
        Self { inner, held, unpaid: None }
    }

    fn part(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Nothing may be begun on a connection that was closed meanwhile; its task ends by itself.
        if self.inner.is_end_stream() && !self.held.place.works() {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Some((drawing, bytes)) = &mut this.unpaid {
                let paid = ready!(drawing.as_mut().poll(context));
                let bytes = std::mem::take(bytes);
                this.unpaid = None;
                return match paid {
                    Ok(()) => this.part(bytes),
                    Err(too_much) => Poll::Ready(Some(Err(too_much.into()))),
                };
            }
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                None => return if this.held.place.works() { Poll::Ready(None) } else { Poll::Pending },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => frame,
            };
            let bytes = match frame.into_data() {
                Ok(bytes) => bytes,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            let cost = bytes.len() + PART;
            if this.held.try_draw(cost) == Drawn::Granted {
                return this.part(bytes);
            }
            let held = Arc::clone(&this.held);
            this.unpaid = Some((Box::pin(async move { held.draw(cost).await }), bytes));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.unpaid.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body, which counts until it is sent. Once it is dropped, the connection waits for its peer's next request.
pub struct Sending {
    inner: Body,
    place: Arc<Place>,
    _held: Held,
    /// What of its last part was not sent yet.
    rest: Bytes,
}

impl Sending {
    /// The same body.
    pub const fn new(inner: Body, place: Arc<Place>, held: Held) -> Self {
        Self { inner, place, _held: held, rest: Bytes::new() }
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(bytes) => this.rest = bytes,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let length = this.rest.len().min(SENT_AT_ONCE);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.place.awaits_bytes();
    }
}
