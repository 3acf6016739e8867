use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection that ends with an error when it has carried nothing for a while, or too much.
pub(super) struct Bounded<S> {
    inner: S,
    idle: Duration,
    idle_over: Pin<Box<Sleep>>,
    bytes_left: u64,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, idle: Duration, bytes_max: u64) -> Self {
        Self { inner, idle, idle_over: Box::pin(sleep(idle)), bytes_left: bytes_max }
    }

    fn carried(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.idle_over.as_mut().reset(Instant::now() + self.idle);
        let left = self.bytes_left.checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.bytes_left = left.ok_or_else(|| io::Error::other("it has carried more bytes than it may"))?;
        Ok(())
    }

    /// In the place of waiting on.
    fn waited<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.idle_over.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it has carried nothing for too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, into) {
            Poll::Ready(Ok(())) => Poll::Ready(self.carried(into.filled().len() - before)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.waited(context),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(context, bytes) {
            Poll::Ready(Ok(written)) => Poll::Ready(self.carried(written).map(|()| written)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.waited(context),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_carries_nothing_ends_and_one_that_does_goes_on() {
        let (mut far, near) = duplex(64);
        let mut near = Bounded::new(near, Duration::from_secs(10), u64::MAX);
        for _ in 0..3 {
            advance(Duration::from_secs(6)).await;
            far.write_all(b"x").await.unwrap();
            assert_eq!(near.read_u8().await.unwrap(), b'x');
        }
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_it_carries_counts_both_ways() {
        let (mut far, near) = duplex(64);
        let mut near = Bounded::new(near, Duration::from_secs(60), 4);
        far.write_all(b"xx").await.unwrap();
        near.read_exact(&mut [0; 2]).await.unwrap();
        near.write_all(b"yy").await.unwrap();
        near.write_all(b"z").await.unwrap_err();
    }
}
