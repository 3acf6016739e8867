use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use orchestrator_events::{Follower, Window};
use orchestrator_rpc::{Call, Caller, Frame, Incoming, Message, Signal, Standing};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::arrival::Arrival;
use super::calls::{Answer, Calls, Running};
use super::close::Close;
use super::connect::Ready;
use super::dialect::Dialect;
use super::greeting::Greeting;
use super::operations::{CONNECT, Own};
use super::peers::Seat;
use super::socket::{Received, Socket};
use super::subscriptions::{Connection, Subscriptions};
use super::timers::{Tick, Timers};
use crate::shared::{ConnectionId, Shared, correlation};

/// Turns in a row before timers and writes get their chance, and other connections theirs.
const TURNS_MAX: u32 = 64;

/// A peer that is too fast is told so at most this often; each refusal has its own answer.
const SLOW_DOWN_EVERY: Duration = Duration::from_secs(1);
/// The bounds of the time after which a peer is told to come back, in milliseconds.
const RECONNECT_MS: std::ops::Range<u64> = 500..5_000;

/// An authenticated WebSocket. All of it, its calls included, is one task: an answer that is there at once costs no
/// wake-up, and answers that are there together are one write.
pub(crate) struct Session {
    shared: Arc<Shared>,
    socket: Socket,
    dialect: Option<Dialect>,
    calls: Calls,
    running: FuturesUnordered<Running>,
    calls_running: usize,
    subscriptions: Subscriptions,
    revoked: BoxFuture<'static, Close>,
    window: Option<Arc<Window>>,
    /// The window went to another connection.
    lost: BoxFuture<'static, ()>,
    draining: BoxFuture<'static, ()>,
    /// The peer was told to connect again elsewhere or later.
    is_told: bool,
    stopping: BoxFuture<'static, ()>,
    is_stopping: bool,
    timers: Timers,
    pings_missed: u32,
    /// What the peer had taken at the last ping.
    taken_bytes: usize,
    heartbeats: u64,
    /// When the peer may be told again that it is too fast.
    slow_down_at: Option<Instant>,
    turns_left: u32,
    seat: Seat,
    id: ConnectionId,
    /// Tells running calls that nobody waits for them.
    _gone: DropGuard,
}

/// How a session ends.
enum End {
    /// The peer left; there is nobody to talk to.
    Gone,
    /// We close.
    Close(Close),
    /// The first frame introduces the peer, and begins the session anew.
    Greeting(Dialect, Box<Message>),
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, ready: Ready) -> Self {
        let window = ready.arrival.window;
        let connection = Connection::new(shared.config.subscriptions_max, window.clone());
        connection.restore(ready.arrival.restored);
        let mut subscriptions = Subscriptions::new(connection.clone());
        subscriptions.begin_fresh();
        let lost = window.as_ref().map_or_else(|| std::future::pending().boxed(), |window| window.lost().boxed());
        let cancel = CancellationToken::new();
        let revoked = revoked(&ready.caller).boxed();
        let timers = Timers::new(shared.clone(), ready.caller.expires_at);
        let own = || ready.id.to_string();
        let mut template = Call::new(ready.caller, correlation(ready.traceparent.as_deref(), own));
        template.cancel = cancel.clone();
        template.traceparent = ready.traceparent;
        template.extensions.insert(connection.clone());
        let (followed, peer) = (connection.clone(), ready.seat.peer.clone());
        template.extensions.insert(Follower::new(
            move |name, subscription| followed.follow(name, subscription),
            move || peer.dialect.get().is_some_and(|dialect| dialect.follows_by_default()),
        ));
        template.extensions.insert(Own {
            peer: ready.seat.peer.clone(),
            clock: shared.clock.clone(),
            heartbeat_interval: shared.config.ping_interval,
        });
        if let Some(dialect) = ready.dialect {
            let _ = ready.seat.peer.dialect.set(dialect);
        }
        Self {
            calls: Calls::new(shared.clone(), template),
            socket: ready.socket,
            dialect: ready.dialect,
            running: FuturesUnordered::new(),
            calls_running: 0,
            subscriptions,
            revoked,
            window,
            lost,
            draining: shared.phase.draining.clone().cancelled_owned().boxed(),
            is_told: false,
            stopping: shared.phase.stopping.clone().cancelled_owned().boxed(),
            is_stopping: false,
            timers,
            pings_missed: 0,
            taken_bytes: 0,
            heartbeats: 0,
            slow_down_at: None,
            turns_left: TURNS_MAX,
            seat: ready.seat,
            id: ready.id,
            _gone: cancel.drop_guard(),
            shared,
        }
    }

    /// Runs to the end of the connection, or to a first frame that introduces the peer.
    pub(crate) async fn run(mut self) -> Option<Box<Greeting>> {
        let end = poll_fn(|cx| self.poll(cx)).await;
        let end = match end {
            End::Greeting(dialect, message) => return Some(Box::new(self.greeted(dialect, *message))),
            End::Gone => None,
            End::Close(close) => Some(close),
        };
        let (dialect, window) = (self.dialect, self.window.clone());
        let last = self.last_words();
        let socket = self.into_socket();
        match end {
            None => {
                // Whoever hears the goodbye answered may rely on it.
                remember(window).await;
                socket.leave().await;
            }
            Some(close) => {
                if close == Close::SlowReader {
                    socket.close_instead(last, dialect).await;
                } else {
                    socket.close(close, dialect).await;
                }
                remember(window).await;
            }
        }
        None
    }

    fn greeted(self, dialect: Dialect, message: Message) -> Greeting {
        let Self { calls, socket, window, seat, id, .. } = self;
        let Call { caller, traceparent, .. } = calls.into_template();
        let arrival = Arrival { window, ..Arrival::default() };
        let ready = Ready { id, socket, caller, traceparent, dialect: Some(dialect), seat, arrival };
        Greeting { ready, dialect, message }
    }

    /// What a peer that does not read fast enough is told, should it ever read that far.
    fn last_words(&self) -> Option<String> {
        let signal = self.come_back("what is sent is not read fast enough");
        self.dialect?.encode_signal(&signal, &*self.shared.clock)
    }

    fn come_back(&self, reason: &str) -> Signal {
        let resume_token = self.window.as_ref().map(|window| window.token());
        Signal::Reconnect { reason: reason.to_owned(), delay: reconnect_delay(self.id), resume_token }
    }

    /// Ends calls and subscriptions.
    fn into_socket(self) -> Socket {
        self.socket
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.turns_left == 0 {
                self.turns_left = TURNS_MAX;
                cx.waker().wake_by_ref();
                return self.poll_background(cx);
            }
            self.turns_left -= 1;
            match self.poll_turn(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Pending => {
                    self.turns_left = TURNS_MAX;
                    return self.poll_background(cx);
                }
            }
        }
    }

    /// One thing that is ready. Who is asked first rotates, so that none of the three starves the others.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.socket.is_worth_writing()
            && let Poll::Ready(Err(_)) = self.socket.poll_write(cx)
        {
            return Poll::Ready(Err(End::Gone));
        }
        for source in 0..3 {
            let turn = match (source + self.turns_left) % 3 {
                0 => self.poll_answer(cx),
                1 => self.poll_frame(cx),
                _ => self.poll_notice(cx),
            };
            if turn.is_ready() {
                return turn;
            }
        }
        Poll::Pending
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.running.is_empty() {
            return Poll::Pending;
        }
        match self.running.poll_next_unpin(cx) {
            Poll::Ready(Some(answer)) => Poll::Ready(self.finish(answer)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.is_stopping || self.is_busy() || self.socket.is_crowded() {
            return Poll::Pending;
        }
        self.socket.poll_received(cx).map(|received| self.received(received, cx))
    }

    fn poll_notice(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        // Events of a slow reader stay in the log, live pieces are dropped there: both cost nothing here.
        if self.is_stopping || self.socket.is_crowded() {
            return Poll::Pending;
        }
        self.subscriptions.poll_notice(cx).map(|notice| {
            if let Some(gap) = notice.gap() {
                self.shared.counters.events_dropped.add(usize::try_from(gap.count).unwrap_or(usize::MAX));
            }
            let dialect = self.dialect.unwrap_or(Dialect::JsonRpc);
            match dialect.encode_event(&notice.told(&notice.payload()), &*self.shared.clock) {
                Some(text) => self.socket.push_event(text, notice.mark())?,
                None => notice.handed.passed_over(),
            }
            Ok(())
        })
    }

    /// What is looked at when nothing else is ready: writes, the end of the daemon, of the credential and of patience.
    fn poll_background(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let was_crowded = self.socket.is_crowded();
        if let Poll::Ready(Err(_)) = self.socket.poll_write(cx) {
            return Poll::Ready(End::Gone);
        }
        if was_crowded && !self.socket.is_crowded() {
            cx.waker().wake_by_ref();
        }
        if !self.is_told && self.draining.poll_unpin(cx).is_ready() {
            self.is_told = true;
            if let Err(close) = self.tell(&self.come_back("the daemon is stopping")) {
                return Poll::Ready(close.into());
            }
            cx.waker().wake_by_ref();
        }
        if !self.is_stopping && self.stopping.poll_unpin(cx).is_ready() {
            self.is_stopping = true;
        }
        if self.is_stopping && self.running.is_empty() {
            return Poll::Ready(Close::GoingAway.into());
        }
        if let Poll::Ready(close) = self.revoked.poll_unpin(cx) {
            return Poll::Ready(close.into());
        }
        if self.lost.poll_unpin(cx).is_ready() {
            return Poll::Ready(Close::TakenOver.into());
        }
        while let Poll::Ready(tick) = self.timers.poll_tick(cx) {
            if let Err(close) = self.tick(tick) {
                return Poll::Ready(close.into());
            }
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn tick(&mut self, tick: Tick) -> Result<(), Close> {
        match tick {
            Tick::Expired => return Err(Close::Expired),
            Tick::Ping if self.is_stuck() => {
                self.shared.counters.slow_readers.increment();
                return Err(Close::SlowReader);
            }
            // Pongs are not read while a connection has as many calls as it may: that is no silence of the peer.
            Tick::Ping if self.is_busy() => {}
            Tick::Ping if self.pings_missed >= self.shared.config.pings_missed_max => {
                return Err(Close::HeartbeatMissed);
            }
            Tick::Ping => {
                self.pings_missed += 1;
                self.heartbeats += 1;
                self.socket.forgive_pings();
                self.socket.push_ping();
                self.tell(&Signal::Heartbeat { time: self.shared.clock.now(), seq: self.heartbeats })?;
            }
        }
        Ok(())
    }

    /// Says something about the connection itself, to a peer whose dialect is known and has a form for it.
    fn tell(&mut self, signal: &Signal) -> Result<(), Close> {
        let text = self.dialect.and_then(|dialect| dialect.encode_signal(signal, &*self.shared.clock));
        text.map_or(Ok(()), |text| self.socket.push_urgent(text))
    }

    /// Whether something is waiting for the peer, and the peer has taken nothing since this was last asked.
    fn is_stuck(&mut self) -> bool {
        let (is_waiting, taken) = self.socket.backlog();
        let before = std::mem::replace(&mut self.taken_bytes, taken);
        is_waiting && before == taken
    }

    fn received(&mut self, received: Received, cx: &mut Context<'_>) -> Result<(), End> {
        if matches!(received, Received::Text(_)) || !self.dialect.is_some_and(Dialect::wants_heartbeats) {
            self.pings_missed = 0;
        }
        match received {
            Received::Text(text) => self.frame(&text, cx),
            Received::Sign => Ok(()),
            Received::Gone => Err(End::Gone),
            Received::Fault(close) => Err(close.into()),
        }
    }

    fn frame(&mut self, text: &str, cx: &mut Context<'_>) -> Result<(), End> {
        let Some(dialect) = self.dialect.or_else(|| Dialect::detect(text)) else {
            self.socket.push(Dialect::refusal())?;
            return Err(Close::NotADialect.into());
        };
        if self.dialect.replace(dialect).is_none() {
            let _ = self.seat.peer.dialect.set(dialect);
            if let Frame::Single(Incoming::Message(message)) = dialect.decode(text)
                && message.method == CONNECT
            {
                return Err(End::Greeting(dialect, Box::new(message)));
            }
        }
        let (mut answer, calls) = self.calls.start(dialect, text);
        self.calls_running += calls;
        match answer.poll_unpin(cx) {
            Poll::Ready(answer) => self.finish(answer),
            Poll::Pending => {
                self.running.push(answer);
                Ok(())
            }
        }
    }

    fn finish(&mut self, answer: Answer) -> Result<(), End> {
        self.calls_running -= answer.calls;
        if let Some(text) = answer.text {
            self.socket.push(text)?;
        }
        if let Some(signal) = answer.limited
            && self.slow_down_at.is_none_or(|at| at <= Instant::now())
        {
            self.slow_down_at = Some(Instant::now() + SLOW_DOWN_EVERY);
            self.tell(&signal)?;
        }
        self.subscriptions.begin_fresh();
        Ok(())
    }

    fn is_busy(&self) -> bool {
        let in_order = self.dialect.is_some_and(Dialect::is_in_order);
        self.calls_running >= if in_order { 1 } else { self.shared.config.calls_in_flight_max }
    }
}

/// Writes where a subscriber stands that has gone.
async fn remember(window: Option<Arc<Window>>) {
    if let Some(window) = window
        && let Err(error) = window.close().await
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "where a subscriber stands was not written");
    }
}

/// Ends when the credential no longer counts, or counts for something else. A channel that was closed will not say more.
fn revoked(caller: &Caller) -> impl Future<Output = Close> + Send + use<> {
    let mut standing = caller.standing.clone();
    async move {
        let seen = standing.wait_for(|standing| *standing != Standing::Good).await.map(|standing| *standing);
        match seen {
            Ok(Standing::Changed) => Close::RoleChanged,
            Ok(_) => Close::Revoked,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Different for each connection, so that a restart is not followed by all of them at once.
fn reconnect_delay(id: ConnectionId) -> Duration {
    // The low bits of such an id are random.
    let random = id.uuid().as_u128() as u64;
    Duration::from_millis(RECONNECT_MS.start + random % (RECONNECT_MS.end - RECONNECT_MS.start))
}
