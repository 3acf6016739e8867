use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::backoff::Backoff;
use crate::book::{Book, Command};
use crate::dialer::{Dialer, Socket};
use crate::greeting::Hello;
use crate::link::{End, Inbox, Link};

/// Keeps a connection: the one task behind a client.
pub(crate) struct Driver {
    pub(crate) dialer: Dialer,
    pub(crate) book: Book,
    pub(crate) inbox: Inbox,
    pub(crate) backoff: Backoff,
    pub(crate) silence_max: Duration,
    pub(crate) stop: CancellationToken,
    /// Why there is no driver any more; for calls that come after.
    pub(crate) ended: Arc<OnceLock<Error>>,
}

impl Driver {
    pub(crate) async fn run(mut self, first: (Socket, Option<Hello>)) {
        let reason = Box::pin(self.keep(first)).await;
        let _ = self.ended.set(reason.clone());
        // Closed first, so that nothing can slip in behind the last look.
        self.inbox.commands.close();
        while let Ok(command) = self.inbox.commands.try_recv() {
            match command {
                Command::Call(call) => drop(call.reply.send(Err(reason.clone()))),
                Command::Subscribe(_, topic) => topic.fail(reason.clone()),
            }
        }
        self.book.end(&reason);
    }

    async fn keep(&mut self, first: (Socket, Option<Hello>)) -> Error {
        let (mut socket, mut hello) = first;
        loop {
            let mut link = Link::new(&mut self.book, &mut self.inbox, socket, self.silence_max);
            let end = link.run(hello, &self.stop).await;
            if link.has_worked {
                self.backoff.reset();
            }
            match end {
                End::Stopped => return Error::Closed,
                End::Final(error) => return error,
                End::Lost => self.book.lost(),
                End::TakenOver => {
                    self.book.taken_over();
                    self.book.lost();
                }
            }
            (socket, hello) = match self.reconnect().await {
                Ok(connected) => connected,
                Err(error) => return error,
            };
        }
    }

    async fn reconnect(&mut self) -> Result<(Socket, Option<Hello>), Error> {
        let mut last: Option<Error> = None;
        loop {
            let Some(delay) = self.backoff.next(last.as_ref().and_then(Error::retry_after)) else {
                return Err(last.unwrap_or(Error::Disconnected));
            };
            tokio::select! {
                () = sleep(delay) => {}
                () = self.stop.cancelled() => return Err(Error::Closed),
            }
            let dialed = tokio::select! {
                dialed = self.dialer.dial(self.book.token()) => dialed,
                () = self.stop.cancelled() => return Err(Error::Closed),
            };
            match dialed {
                Ok(connected) => return Ok(connected),
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "no connection yet");
                    last = Some(error);
                }
            }
        }
    }
}
