use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{Sink, SinkExt, Stream as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use super::close::Close;
use super::dialect::Dialect;
use super::subscriptions::Mark;
use crate::Counters;
use crate::shared::Shared;
use crate::stream::{Metered, Stream};

/// Allocated per connection; larger messages grow it while they are read.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// Messages are collected up to this size before they are written.
const WRITE_BUFFER_BYTES: usize = 8 << 10;
/// With more than this waiting, calls are not read and events are left where they are.
const CROWDED_BYTES: usize = 256 << 10;
/// What a peer may send before it is authenticated: enough for a long token.
const UNKNOWN_BYTES_MAX: usize = 64 << 10;
/// For what is queued, the close frame and the peer's last words.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What came in, after control frames were dealt with.
pub(crate) enum Received {
    Text(Utf8Bytes),
    /// A ping or pong: the peer's library is alive.
    Sign,
    /// The peer is gone, or said goodbye.
    Gone,
    /// The peer has to go.
    Fault(Close),
}

struct Queued {
    message: Message,
    /// Of an event: what is said about the connection goes before it.
    is_event: bool,
    mark: Option<Mark>,
}

/// A WebSocket with a bounded queue of what is to be sent.
pub(crate) struct Socket {
    ws: WebSocketStream<Metered>,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// Of all that was ever taken from the queue.
    taken_bytes: usize,
    queue_bytes_max: usize,
    /// Pings and pongs that may still come in this interval.
    control_left: u32,
    control_max: u32,
    is_flushed: bool,
    counters: Arc<Counters>,
}

impl Socket {
    pub(crate) async fn new(stream: Stream, already_read: Bytes, shared: &Shared) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(shared.config.message_bytes_max))
            .max_frame_size(Some(shared.config.message_bytes_max));
        let ws = WebSocketStream::from_partially_read(
            Metered::new(stream, UNKNOWN_BYTES_MAX),
            already_read.into(),
            Role::Server,
            Some(config),
        )
        .await;
        Self {
            ws,
            queue: VecDeque::new(),
            queued_bytes: 0,
            taken_bytes: 0,
            queue_bytes_max: shared.config.send_queue_bytes_max,
            control_left: shared.config.control_frames_max,
            control_max: shared.config.control_frames_max,
            is_flushed: true,
            counters: shared.counters.clone(),
        }
    }

    /// The peer is known now and may send what the limits of messages allow.
    pub(crate) fn trust(&mut self) {
        self.ws.get_mut().allowance = usize::MAX;
    }

    pub(crate) fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let received = match ready!(Pin::new(&mut self.ws).poll_next(cx)) {
            Some(Ok(Message::Text(text))) => {
                self.counters.messages_in.increment();
                self.counters.bytes_in.add(text.len());
                Received::Text(text)
            }
            Some(Ok(Message::Ping(_))) => {
                self.is_flushed = false;
                self.control_frame()
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => self.control_frame(),
            Some(Ok(Message::Binary(_))) => Received::Fault(Close::BinaryFrame),
            Some(Ok(Message::Close(_))) | None => Received::Gone,
            Some(Err(error)) => fault(&error),
        };
        Poll::Ready(received)
    }

    /// Each ping costs an answer, and none of the limits of calls counts it.
    fn control_frame(&mut self) -> Received {
        match self.control_left.checked_sub(1) {
            Some(left) => {
                self.control_left = left;
                Received::Sign
            }
            None => Received::Fault(Close::PingFlood),
        }
    }

    /// A new interval: the peer may ping again.
    pub(crate) fn forgive_pings(&mut self) {
        self.control_left = self.control_max;
    }

    /// Queues a text; an error means that the reader is too slow.
    pub(crate) fn push(&mut self, text: String) -> Result<(), Close> {
        let at = self.queue.len();
        self.insert(at, text, false, None)
    }

    /// Queues an event; `mark` is noted once it is written.
    pub(crate) fn push_event(&mut self, text: String, mark: Option<Mark>) -> Result<(), Close> {
        let at = self.queue.len();
        self.insert(at, text, true, mark)
    }

    /// Queues something about the connection itself, before all events.
    pub(crate) fn push_urgent(&mut self, text: String) -> Result<(), Close> {
        let at = self.queue.iter().position(|queued| queued.is_event).unwrap_or(self.queue.len());
        self.insert(at, text, false, None)
    }

    fn insert(&mut self, at: usize, text: String, is_event: bool, mark: Option<Mark>) -> Result<(), Close> {
        // One message may always wait, or large answers could not be sent at all.
        if self.queued_bytes > 0 && self.queued_bytes + text.len() > self.queue_bytes_max {
            self.counters.slow_readers.increment();
            return Err(Close::SlowReader);
        }
        self.counters.messages_out.increment();
        self.counters.bytes_out.add(text.len());
        self.queued_bytes += text.len();
        self.queue.insert(at, Queued { message: Message::Text(text.into()), is_event, mark });
        Ok(())
    }

    /// Queues a ping, unless so much is waiting that an earlier one may be among it.
    pub(crate) fn push_ping(&mut self) {
        if self.queue.is_empty() {
            self.queue.push_back(Queued { message: Message::Ping(Bytes::new()), is_event: false, mark: None });
        }
    }

    /// Whether the peer should first read what it was sent.
    pub(crate) fn is_crowded(&self) -> bool {
        self.queued_bytes > CROWDED_BYTES
    }

    /// Whether something is waiting, and how much the peer has ever taken.
    pub(crate) fn backlog(&self) -> (bool, usize) {
        (self.queued_bytes > 0, self.taken_bytes)
    }

    /// Whether enough is waiting to be worth a write.
    pub(crate) fn is_worth_writing(&self) -> bool {
        self.queued_bytes > WRITE_BUFFER_BYTES
    }

    /// Writes what is queued; ready when all of it is with the kernel.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        while !self.queue.is_empty() {
            ready!(Pin::new(&mut self.ws).poll_ready(cx))?;
            if let Some(Queued { message, mark, .. }) = self.queue.pop_front() {
                let bytes = if message.is_text() { message.len() } else { 0 };
                self.queued_bytes -= bytes;
                self.taken_bytes = self.taken_bytes.wrapping_add(bytes);
                self.is_flushed = false;
                Pin::new(&mut self.ws).start_send(message)?;
                if let Some(mark) = mark {
                    mark.written();
                }
            }
        }
        if self.queue.capacity() > 64 {
            self.queue.shrink_to(0);
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.ws).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is queued and the reason, and waits a little for the peer to close.
    pub(crate) async fn close(mut self, close: Close, dialect: Option<Dialect>) {
        let _ = timeout(CLOSE_TIMEOUT, self.say_goodbye(close, dialect)).await;
    }

    /// Sends `last` instead of what is queued, and closes as to a peer that does not read fast enough.
    pub(crate) async fn close_instead(mut self, last: Option<String>, dialect: Option<Dialect>) {
        self.queue.clear();
        self.queued_bytes = 0;
        if let Some(last) = last {
            let _ = self.push(last);
        }
        self.close(Close::SlowReader, dialect).await;
    }

    async fn say_goodbye(&mut self, close: Close, dialect: Option<Dialect>) -> Result<(), tungstenite::Error> {
        std::future::poll_fn(|cx| self.poll_write(cx)).await?;
        self.ws.close(Some(close.frame(dialect))).await?;
        self.linger().await
    }

    /// Answers a close of the peer.
    pub(crate) async fn leave(mut self) {
        let _ = timeout(CLOSE_TIMEOUT, async {
            let _ = self.ws.flush().await;
            self.linger().await
        })
        .await;
    }

    /// Closing with unread bytes would reset the connection, and the peer might never see the close frame.
    async fn linger(&mut self) -> Result<(), tungstenite::Error> {
        self.trust();
        let stream = self.ws.get_mut();
        stream.shutdown().await?;
        let mut scratch = [0; 1024];
        while stream.read(&mut scratch).await? > 0 {}
        Ok(())
    }
}

fn fault(error: &tungstenite::Error) -> Received {
    match error {
        tungstenite::Error::Capacity(_) => Received::Fault(Close::TooLarge),
        tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Received::Fault(Close::TooLarge)
        }
        tungstenite::Error::Utf8(_) => Received::Fault(Close::NotUtf8),
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => Received::Gone,
        tungstenite::Error::Protocol(_) => Received::Fault(Close::ProtocolError),
        _ => Received::Gone,
    }
}
