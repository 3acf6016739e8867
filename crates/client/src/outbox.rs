use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Sink;
use futures::stream::SplitSink;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::dialer::Socket;

/// What is to be sent. Writing may be dropped and begun again at any point.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Message>,
    is_dirty: bool,
}

impl Outbox {
    pub(crate) fn push(&mut self, message: Message) {
        self.queue.push_back(message);
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.is_dirty
    }

    /// Ready when all of it is with the kernel.
    pub(crate) fn poll_write(
        &mut self,
        sink: &mut SplitSink<Socket, Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while !self.queue.is_empty() {
            ready!(Pin::new(&mut *sink).poll_ready(cx))?;
            if let Some(message) = self.queue.pop_front() {
                self.is_dirty = true;
                Pin::new(&mut *sink).start_send(message)?;
            }
        }
        ready!(Pin::new(sink).poll_flush(cx))?;
        self.is_dirty = false;
        Poll::Ready(Ok(()))
    }
}
