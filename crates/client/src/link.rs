use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use orchestrator_rpc::jsonrpc::{Received, decode_received};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::book::{Book, Command};
use crate::dialer::Socket;
use crate::greeting::Hello;
use crate::outbox::Outbox;
use crate::subscription::Control;

/// With more than this waiting to be written, calls are left in their queue.
const OUTBOX_MESSAGES_MAX: usize = 256;
/// For the last words of both sides.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// We were asked to stop.
    Stopped,
    /// Another attempt makes sense.
    Lost,
    /// The same, but not by the window: another connection has it.
    TakenOver,
    /// None does.
    Final(Error),
}

/// The two queues from the handles.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) controls: mpsc::UnboundedReceiver<Control>,
}

/// One connection.
pub(crate) struct Link<'a> {
    book: &'a mut Book,
    inbox: &'a mut Inbox,
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    outbox: Outbox,
    /// Collects what the book wants sent; kept for its memory.
    out: Vec<Message>,
    silence: Interval,
    /// Something was heard since the last tick.
    is_alive: bool,
    /// Something was heard at all.
    pub(crate) has_worked: bool,
    was_pinged: bool,
}

impl<'a> Link<'a> {
    pub(crate) fn new(book: &'a mut Book, inbox: &'a mut Inbox, socket: Socket, silence_max: Duration) -> Self {
        let (sink, stream) = socket.split();
        let mut silence = interval_at(Instant::now() + silence_max, silence_max);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            book,
            inbox,
            sink,
            stream,
            outbox: Outbox::default(),
            out: Vec::new(),
            silence,
            is_alive: false,
            has_worked: false,
            was_pinged: false,
        }
    }

    /// `hello` is the answer to a resume token, if one was shown.
    pub(crate) async fn run(&mut self, hello: Option<Hello>, stop: &CancellationToken) -> End {
        self.book.regained(hello, &mut self.out);
        loop {
            self.outbox_all();
            let has_room = self.outbox.len() < OUTBOX_MESSAGES_MAX;
            let due = self.book.next_due();
            let Self { stream, sink, outbox, inbox, silence, .. } = self;
            let ended = tokio::select! {
                received = stream.next() => self.received(received),
                written = std::future::poll_fn(|cx| outbox.poll_write(sink, cx)), if !outbox.is_idle() => {
                    written.err().map(|_| End::Lost)
                }
                Some(command) = inbox.commands.recv(), if has_room => self.commands(command),
                Some(control) = inbox.controls.recv() => self.control(control),
                _ = silence.tick() => self.tick(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.due(),
                () = stop.cancelled() => Some(End::Stopped),
            };
            match ended {
                None => {}
                Some(End::Stopped) => {
                    let _ = timeout(CLOSE_TIMEOUT, self.say_goodbye()).await;
                    return End::Stopped;
                }
                Some(end) => return end,
            }
        }
    }

    fn outbox_all(&mut self) {
        self.out.drain(..).for_each(|message| self.outbox.push(message));
    }

    /// All that are waiting, so that they become one write.
    fn commands(&mut self, first: Command) -> Option<End> {
        self.book.command(first, &mut self.out);
        while self.out.len() < OUTBOX_MESSAGES_MAX
            && let Ok(command) = self.inbox.commands.try_recv()
        {
            self.book.command(command, &mut self.out);
        }
        None
    }

    fn control(&mut self, control: Control) -> Option<End> {
        match control {
            Control::Resume(key) => self.book.resume(key, &mut self.out),
            Control::Acknowledge(key) => self.book.acknowledge(key, &mut self.out),
            Control::Drop(key) => self.book.drop_topic(key, &mut self.out),
        }
        None
    }

    fn due(&mut self) -> Option<End> {
        self.book.due(&mut self.out);
        None
    }

    fn received(&mut self, received: Option<Result<Message, tungstenite::Error>>) -> Option<End> {
        self.is_alive = true;
        let text = match received {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => {
                let reason = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                return Some(closed(reason));
            }
            // Pings are answered by the library, with the next read.
            Some(Ok(_)) => return None,
            Some(Err(_)) | None => return Some(End::Lost),
        };
        self.has_worked = true;
        match decode_received(text.as_bytes()) {
            Ok(Received::Reply(reply)) => self.book.reply(reply, &mut self.out),
            Ok(Received::Event(event)) => self.book.event(event, &mut self.out),
            Err(error) => {
                tracing::warn!(%error, "the daemon sent what is no message");
                return Some(End::Lost);
            }
        }
        None
    }

    /// Nothing was heard for a while: ask once, then give up.
    fn tick(&mut self) -> Option<End> {
        if std::mem::take(&mut self.is_alive) {
            self.was_pinged = false;
            return None;
        }
        if self.was_pinged {
            tracing::debug!("the daemon does not answer pings");
            return Some(End::Lost);
        }
        self.was_pinged = true;
        self.out.push(Message::Ping(tungstenite::Bytes::new()));
        None
    }

    async fn say_goodbye(&mut self) -> Result<(), tungstenite::Error> {
        let Self { sink, outbox, .. } = self;
        std::future::poll_fn(|cx| outbox.poll_write(sink, cx)).await?;
        self.sink.send(Message::Close(None)).await?;
        while let Some(Ok(_)) = self.stream.next().await {}
        Ok(())
    }
}

/// What the daemon's close code means for another attempt.
fn closed(reason: Option<(u16, String)>) -> End {
    match reason {
        Some((TAKEN_OVER, _)) => End::TakenOver,
        Some((code, reason)) => match unauthorized(code, &reason) {
            Some(error) => End::Final(error),
            None => {
                tracing::debug!(code, reason, "the daemon closed the connection");
                End::Lost
            }
        },
        None => End::Lost,
    }
}

/// Another connection has shown the resume token, or the scopes of the credential have changed. Codes do not tell the two
/// apart; going on by number is right after both.
const TAKEN_OVER: u16 = 4006;

/// The codes of a credential that is not accepted (any more).
pub(crate) fn unauthorized(code: u16, reason: &str) -> Option<Error> {
    matches!(code, 4001 | 4003 | 4005).then(|| Error::Unauthorized(reason.to_owned()))
}
