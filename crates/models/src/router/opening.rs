use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_transcript::{StopReason, StreamEvent};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::Inner;
use super::record::Record;
use crate::health::{Admission, Pass};
use crate::layers::{Account, Attempt};
use crate::pool::Seat;
use crate::retry::{self, Next};
use crate::trace::Failure;
use crate::{ChatStream, ErrorKind, OnRefusal, ProviderError, Request, Skip, Target};

/// An answer up to its first piece, or to its end if it has none.
pub(super) struct Opened {
    pub(super) target: Target,
    pub(super) events: VecDeque<StreamEvent>,
    pub(super) rest: ChatStream,
    pub(super) leave: Leave,
}

/// Leave to ask a provider. What comes of it is told to the provider's health, at the latest when this is dropped.
pub(super) struct Leave {
    inner: Arc<Inner>,
    seat: Arc<Seat>,
    pass: Option<Pass>,
}

/// What asking one model came to.
enum Turned {
    Opened(Box<Opened>),
    /// Nobody else may be asked.
    Failed(ProviderError),
    /// The next may.
    Next(ProviderError),
    /// This one was not asked at all.
    AtRest,
}

/// Nobody answered.
pub(super) struct Unopened {
    /// The last one that was asked; `None`: all were found at rest.
    pub(super) last: Option<(Target, ProviderError)>,
    /// When one of those that may do better later may be asked again.
    pub(super) retry_in: Option<Duration>,
}

/// Counts over all models.
struct Tries {
    all: u32,
}

/// Asks one after the other until one begins to answer.
///
/// # Errors
/// The last one, and when another try may go better.
pub(super) async fn open(
    inner: &Arc<Inner>,
    order: &[Target],
    request: &Request,
    record: &mut Record,
) -> Result<Opened, Unopened> {
    let (mut tries, mut last) = (Tries { all: 0 }, None);
    let mut again: Option<Instant> = None;
    for (place, target) in order.iter().enumerate() {
        let has_next = place + 1 < order.len();
        let (error, is_final) = match ask(inner, target, request, record, &mut tries, has_next).await {
            Turned::Opened(opened) => return Ok(*opened),
            Turned::Failed(error) => (error, true),
            Turned::Next(error) => (error, false),
            Turned::AtRest => {
                again = first(again, rest(inner, target));
                continue;
            }
        };
        if let Some(wait) = error.fault().retry_in() {
            again = first(again, wait.max(rest(inner, target)));
        }
        last = Some((target.clone(), error));
        if is_final {
            break;
        }
    }
    let retry_in = again.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
    Err(Unopened { last, retry_in })
}

fn first(again: Option<Instant>, wait: Duration) -> Option<Instant> {
    let at = Instant::now() + wait;
    Some(again.map_or(at, |first| first.min(at)))
}

/// How long the circuit of a provider stays open.
pub(super) fn rest(inner: &Arc<Inner>, target: &Target) -> Duration {
    match inner.seat(target).health().look(Instant::now()) {
        Admission::No(wait) => wait,
        Admission::Yes | Admission::Probe => Duration::ZERO,
    }
}

async fn ask(
    inner: &Arc<Inner>,
    target: &Target,
    request: &Request,
    record: &mut Record,
    tries: &mut Tries,
    has_next: bool,
) -> Turned {
    let (mut here, mut waited, mut last) = (0, Duration::ZERO, None);
    loop {
        let leave = match Leave::ask(inner, target) {
            Ok(leave) => leave,
            Err(wait) => {
                record.skipped(target, Skip::CircuitOpen { retry_in_ms: crate::decide::millis(wait) });
                return last.map_or(Turned::AtRest, Turned::Next);
            }
        };
        (here, tries.all) = (here + 1, tries.all + 1);
        let asked = Instant::now();
        let result = attempt(inner, target, request, record.account(), leave).await;
        let attempted = record.attempted(target, waited, asked.elapsed());
        let error = match result {
            Ok(opened) if has_next && opened.is_refused() && inner.on_refusal == OnRefusal::Fallback => {
                attempted.refused = true;
                opened.leave.succeeded();
                return Turned::Next(ProviderError::new(ErrorKind::Refused, "the model refused"));
            }
            Ok(opened) => return Turned::Opened(Box::new(opened)),
            Err(error) => error,
        };
        attempted.failure = Some(Failure::from(&error));
        match retry::after(&error, here, tries.all, &inner.limits, retry::chance()) {
            Next::Nothing => return Turned::Failed(error),
            Next::Other => return Turned::Next(error),
            Next::Again(wait) => {
                tokio::time::sleep(wait).await;
                (waited, last) = (wait, Some(error));
            }
        }
    }
}

/// Asks once, and waits for the first piece.
async fn attempt(
    inner: &Arc<Inner>,
    target: &Target,
    request: &Request,
    account: Account,
    leave: Leave,
) -> Result<Opened, ProviderError> {
    let asked = Instant::now();
    let request = Request { model: target.model.clone(), ..request.clone() };
    let attempt = Attempt { seat: leave.seat.clone(), account, request };
    let mut events = VecDeque::new();
    let opened = async {
        let mut rest = inner.attempts.clone().oneshot(attempt).await?;
        loop {
            let event = rest.next().await.unwrap_or_else(|| Err(truncated()))?;
            let is_enough = event.is_content() || matches!(event, StreamEvent::End { .. });
            events.push_back(event);
            if is_enough {
                return Ok(rest);
            }
        }
    };
    match opened.await {
        Ok(rest) => {
            leave.seat.health().began_after(asked.elapsed());
            Ok(Opened { target: target.clone(), events, rest, leave })
        }
        Err(error) => {
            leave.failed(&error);
            Err(error)
        }
    }
}

/// A stream that is over without a word is not an answer.
pub(super) fn truncated() -> ProviderError {
    ProviderError::new(ErrorKind::StreamTruncated, "the stream ended before the answer did")
}

impl Opened {
    fn is_refused(&self) -> bool {
        let refused = |event: &StreamEvent| matches!(event, StreamEvent::End { stop } if matches!(stop.reason, StopReason::Refusal { .. }));
        self.events.back().is_some_and(refused)
    }
}

impl Leave {
    pub(super) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    pub(super) fn ask(inner: &Arc<Inner>, target: &Target) -> Result<Self, Duration> {
        let seat = inner.seat(target).clone();
        let pass = seat.health().admit(Instant::now())?;
        Ok(Self { inner: inner.clone(), seat, pass: Some(pass) })
    }

    pub(super) fn succeeded(mut self) {
        if let Some(pass) = self.pass.take() {
            self.seat.health().succeeded(Instant::now(), pass, &self.inner.limits);
        }
    }

    /// A request that was wrong tells that the provider is well enough to say so.
    pub(super) fn failed(mut self, error: &ProviderError) {
        let Some(pass) = self.pass.take() else { return };
        let (mut health, now) = (self.seat.health(), Instant::now());
        match error.kind {
            kind if kind.is_outage() => health.failed(now, pass, &self.inner.limits),
            ErrorKind::Busy | ErrorKind::RateLimited | ErrorKind::BudgetExhausted | ErrorKind::UnknownPrice => {
                health.abandoned(now, pass);
            }
            _ => health.succeeded(now, pass, &self.inner.limits),
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.seat.health().abandoned(Instant::now(), pass);
        }
    }
}
