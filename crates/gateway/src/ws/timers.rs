use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use orchestrator_vocab::Timestamp;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::shared::Shared;

/// What a connection has to do by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tick {
    Ping,
    Expired,
}

/// One timer for pings and for the end of the credential.
pub(crate) struct Timers {
    shared: Arc<Shared>,
    sleep: Pin<Box<Sleep>>,
    ping_at: Instant,
    expires_at: Option<Timestamp>,
}

impl Timers {
    pub(crate) fn new(shared: Arc<Shared>, expires_at: Option<Timestamp>) -> Self {
        let ping_at = Instant::now() + shared.config.ping_interval;
        let mut timers = Self { shared, sleep: Box::pin(sleep_until(ping_at)), ping_at, expires_at };
        timers.arm();
        timers
    }

    pub(crate) fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Tick> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let is_expired = self.expires_at.is_some_and(|at| at <= self.shared.clock.now());
            let is_ping = self.ping_at <= Instant::now();
            if is_ping {
                self.ping_at = Instant::now() + self.shared.config.ping_interval;
            }
            self.arm();
            match (is_expired, is_ping) {
                (true, _) => return Poll::Ready(Tick::Expired),
                (false, true) => return Poll::Ready(Tick::Ping),
                (false, false) => {}
            }
        }
    }

    /// Wall time may jump, so it is looked at again at each ping.
    fn arm(&mut self) {
        let left = self.expires_at.map(|at| at.since(self.shared.clock.now()));
        let expiry = left.map(|left| Instant::now() + left.min(self.shared.config.ping_interval));
        self.sleep.as_mut().reset(expiry.map_or(self.ping_at, |expiry| expiry.min(self.ping_at)));
    }
}
