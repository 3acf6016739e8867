use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::Config;
use crate::stream::Stream;

/// How fast a peer has to be, step by step. hyper has one timer for a whole header; silent, dribbling, idle and
/// non-reading peers need different ones.
#[derive(Debug)]
pub(crate) struct Pace {
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    step: Step,
    write_until: Option<Instant>,
    body_unread: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing of a (next) request was seen yet.
    Waiting { until: Instant },
    /// A part of the headers was seen.
    Header { until: Instant },
    /// A handler has the request; it watches over the body itself.
    Handling,
    /// All is said; what the peer still sends is thrown away for a moment.
    Lingering { until: Instant },
}

/// How long the rest of a body nobody wanted is read, so that its sender sees the answer and not a reset connection.
const LINGER: Duration = Duration::from_secs(2);

impl Pace {
    pub(crate) fn new(config: &Config) -> Self {
        let step = Step::Waiting { until: Instant::now() + config.first_byte_timeout };
        Self {
            header_timeout: config.header_timeout,
            idle_timeout: config.idle_timeout,
            write_timeout: config.write_timeout,
            state: Mutex::new(State { step, write_until: None, body_unread: false }),
        }
    }

    /// When the peer has been too slow.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let state = self.lock();
        let step = match state.step {
            Step::Waiting { until } | Step::Header { until } | Step::Lingering { until } => Some(until),
            Step::Handling => None,
        };
        step.into_iter().chain(state.write_until).min()
    }

    /// Whether no request is under way.
    pub(crate) fn is_waiting(&self) -> bool {
        let state = self.lock();
        matches!(state.step, Step::Waiting { .. }) && state.write_until.is_none()
    }

    /// The headers are complete.
    pub(crate) fn request(&self) {
        self.lock().step = Step::Handling;
    }

    /// Whether the peer is still sending what nobody reads. Begins to wait for it.
    fn lingers(&self) -> bool {
        let mut state = self.lock();
        if state.body_unread && !matches!(state.step, Step::Lingering { .. }) {
            state.step = Step::Lingering { until: Instant::now() + LINGER };
        }
        state.body_unread
    }

    fn response_ended(&self) {
        self.lock().step = Step::Waiting { until: Instant::now() + self.idle_timeout };
    }

    fn received(&self) {
        let mut state = self.lock();
        if matches!(state.step, Step::Waiting { .. }) {
            state.step = Step::Header { until: Instant::now() + self.header_timeout };
        }
    }

    fn wrote<T>(&self, poll: &Poll<T>) {
        let mut state = self.lock();
        state.write_until = match poll {
            Poll::Ready(_) => None,
            Poll::Pending => state.write_until.or_else(|| Some(Instant::now() + self.write_timeout)),
        };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that tells its pace what happens.
#[derive(Debug)]
pub(crate) struct Paced {
    pub(crate) stream: Stream,
    pub(crate) pace: Arc<Pace>,
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pace.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pace.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.pace.wrote(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.pace.wrote(&poll);
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.pace.wrote(&poll);
        ready!(poll)?;
        while self.pace.lingers() {
            let mut scratch = [0; 4096];
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A request body that says when it was dropped before its end.
pub(crate) struct RequestBody {
    pub(crate) body: Incoming,
    pub(crate) pace: Arc<Pace>,
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.pace.lock().body_unread |= !self.body.is_end_stream();
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response body that says when hyper is done with it.
pub(crate) struct ResponseBody {
    pub(crate) body: axum::body::Body,
    pub(crate) pace: Arc<Pace>,
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.pace.response_ended();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
