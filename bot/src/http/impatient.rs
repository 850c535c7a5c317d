//! A connection whose peer has to take what it is sent: whoever asks and never reads would keep their place for ever.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::places::Place;

/// Breaks where a write gets nowhere for so long. What gets on, however slowly, may take as long as it likes.
pub struct Impatient<C> {
    connection: C,
    patience: Duration,
    /// Since nothing more was taken.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Who has to know that it is stuck.
    place: Option<Arc<Place>>,
}

impl<C> Impatient<C> {
    /// The same connection, with so much patience.
    pub const fn new(connection: C, patience: Duration) -> Self {
        Self { connection, patience, stuck: None, place: None }
    }

    /// The same, which tells its place when it is stuck.
    pub fn in_place(self, place: Arc<Place>) -> Self {
        Self { place: Some(place), ..self }
    }

    fn tell(&self, stuck: bool) {
        if let Some(place) = &self.place {
            place.is_stuck(stuck);
        }
    }

    fn unless_stuck(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if self.stuck.take().is_some() {
                self.tell(false);
            }
            return written;
        }
        if self.stuck.is_none() {
            self.tell(true);
        }
        let patience = self.patience;
        ready!(self.stuck.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "what was sent is not taken")))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Impatient<C> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, into)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Impatient<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.unless_stuck(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, parts);
        self.unless_stuck(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);
    const SENT: [u8; 64] = [7; 64];

    /// No more than eight bytes are under way at once.
    fn connection() -> (Impatient<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(8);
        (Impatient::new(ours, PATIENCE), theirs)
    }

    #[tokio::test]
    async fn what_nobody_takes_breaks_the_connection() {
        let (mut ours, _theirs) = connection();
        let written = tokio::time::timeout(PATIENCE * 20, ours.write_all(&SENT)).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_is_taken_slowly_is_sent_to_the_end_and_silence_breaks_nothing() {
        let (mut ours, mut theirs) = connection();
        let reading = tokio::spawn(async move {
            let mut taken = [0; SENT.len()];
            for part in taken.chunks_mut(8) {
                tokio::time::sleep(PATIENCE / 4).await;
                theirs.read_exact(part).await.unwrap();
            }
            taken
        });
        tokio::time::sleep(PATIENCE * 2).await;
        ours.write_all(&SENT).await.unwrap();
        assert_eq!(reading.await.unwrap(), SENT);
    }
}
