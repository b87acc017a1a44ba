//! A stream that waits for its reader, but not for ever.
//!
//! Knows: how long a write may be held up. Must never know: what is written. A client that sends requests and
//! reads no answers would otherwise hold its place for as long as it likes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream whose writes fail once one of them made no progress for a time.
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    held_up: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Patient<S> {
        Patient {
            stream,
            patience,
            held_up: None,
        }
    }

    /// Asks the stream to write; from the first refusal on, time runs.
    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = write(Pin::new(&mut self.stream), context) {
            self.held_up = None;
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let timer = self.held_up.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, |stream, context| stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn write_that_nobody_reads_fails_in_time() {
        let (_reader, writer) = duplex(16);
        let mut writer = Patient::new(writer, PATIENCE);
        let written = writer.write_all(&[7; 64]).await;
        let kind = written.map_err(|error| error.kind());
        assert_eq!(kind, Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn write_that_is_read_is_not_hurried() {
        let (mut reader, writer) = duplex(16);
        let mut writer = Patient::new(writer, Duration::from_secs(3600));
        let mut read = vec![0; 64];
        let (written, _) = tokio::join!(writer.write_all(&[7; 64]), reader.read_exact(&mut read));
        assert!(written.is_ok());
        assert_eq!(read, [7; 64]);
    }
}
