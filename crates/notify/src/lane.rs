//! What waits for one destination, and what becomes of it. Destinations do not wait for each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_vocab::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use crate::delivering::Means;
use crate::destination::Target;
use crate::pace::Pace;
use crate::recent::Recent;
use crate::{Bounds, Error, Failure, Info, Last, Message, Outcome, Receipt, Report, plan, retry};

/// How many messages are summed up at once.
const BATCH_MAX: usize = 100;

type Listener = Arc<dyn Fn(&Report<'_>) + Send + Sync>;
type Filter = Arc<dyn Fn(&str) -> String + Send + Sync>;

pub(crate) struct Lane {
    name: String,
    target: Target,
    means: Arc<Means>,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    listener: Listener,
    filter: Filter,
    enter: mpsc::Sender<Waiting>,
    waiting: tokio::sync::Mutex<Queue>,
    standing: Mutex<Standing>,
}

struct Waiting {
    message: Message,
    /// Nobody may want to know.
    tell: oneshot::Sender<Outcome>,
}

/// What whoever sends has to itself.
struct Queue {
    leave: mpsc::Receiver<Waiting>,
    pace: Pace,
    recent: Recent,
}

#[derive(Default)]
struct Standing {
    delivered: u64,
    failed: u64,
    last: Option<Last>,
}

impl Lane {
    pub(crate) fn new(
        name: String,
        target: Target,
        (means, bounds, clock, listener, filter): (Arc<Means>, Bounds, Arc<dyn Clock>, Listener, Filter),
    ) -> Self {
        let (enter, leave) = mpsc::channel(bounds.queue_max);
        let recent = Recent::new(Duration::from_millis(bounds.duplicate_ms));
        let queue = Queue { leave, pace: Pace::new(bounds.per_minute), recent };
        let (waiting, standing) = (tokio::sync::Mutex::new(queue), Mutex::default());
        Self { name, target, means, bounds, clock, listener, filter, enter, waiting, standing }
    }

    pub(crate) fn take(&self, message: Message) -> Result<Receipt, Error> {
        let (tell, told) = oneshot::channel();
        let full = |_| Error::Full { destination: self.name.clone(), waiting: self.bounds.queue_max };
        self.enter.try_send(Waiting { message, tell }).map_err(full)?;
        Ok(Receipt::new(told))
    }

    pub(crate) fn info(&self) -> Info {
        let Standing { delivered, failed, last } = &*self.standing();
        Info {
            name: self.name.clone(),
            kind: self.target.kind(),
            host: self.target.host().to_owned(),
            waiting: self.enter.max_capacity() - self.enter.capacity(),
            delivered: *delivered,
            failed: *failed,
            last: last.clone(),
        }
    }

    /// Never ends. Dropped, what was not sent is not sent.
    pub(crate) async fn run(&self) {
        let mut queue = self.waiting.lock().await;
        while let Some(first) = queue.leave.recv().await {
            let next = queue.pace.next(Instant::now());
            sleep_until(next).await;
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(more) = queue.leave.try_recv()
            {
                batch.push(more);
            }
            let batch = self.without_duplicates(batch, &mut queue.recent);
            let slots = queue.pace.free(Instant::now());
            for part in plan::parts(batch, slots) {
                queue.pace.take(Instant::now());
                let outcome = self.deliver(&part).await;
                if matches!(outcome, Outcome::Delivered { .. }) {
                    part.iter().for_each(|waiting| queue.recent.sent(&waiting.message.key, Instant::now()));
                }
                for waiting in part {
                    let _ = waiting.tell.send(outcome.clone());
                }
            }
        }
    }

    fn without_duplicates(&self, batch: Vec<Waiting>, recent: &mut Recent) -> Vec<Waiting> {
        let mut kept: Vec<Waiting> = Vec::with_capacity(batch.len());
        let remembers = self.bounds.duplicate_ms > 0;
        for waiting in batch {
            let key = waiting.message.key.as_str();
            let is_beside = remembers && !key.is_empty() && kept.iter().any(|other| other.message.key == key);
            if is_beside || recent.has(key, Instant::now()) {
                self.report(1, &Outcome::Duplicate);
                let _ = waiting.tell.send(Outcome::Duplicate);
            } else {
                kept.push(waiting);
            }
        }
        kept
    }

    /// Tries until it is delivered or given up.
    async fn deliver(&self, part: &[Waiting]) -> Outcome {
        let messages: Vec<&Message> = part.iter().map(|waiting| &waiting.message).collect();
        let mut attempts = 0;
        let outcome = loop {
            attempts += 1;
            let failure = match self.attempt(&messages).await {
                Ok(()) => break Outcome::Delivered { attempt: attempts },
                Err(failure) => failure,
            };
            match retry::after(&failure, attempts, &self.bounds, retry::chance()) {
                Some(wait) => sleep(wait).await,
                None => break Outcome::Failed { attempts, failure },
            }
        };
        if matches!(outcome, Outcome::Failed { .. }) {
            self.standing().failed += messages.len() as u64;
        }
        self.report(messages.len(), &outcome);
        outcome
    }

    /// Tries once.
    pub(crate) async fn attempt(&self, messages: &[&Message]) -> Result<(), Failure> {
        let sent = self.means.deliver(&self.target, messages, self.clock.now()).await;
        // The other side may have said something that is not to be told here.
        let sent = sent.map_err(|failure| Failure { message: (self.filter)(&failure.message), ..failure });
        let mut standing = self.standing();
        let problem = sent.as_ref().err().map(|failure| failure.message.clone());
        standing.last = Some(Last { at: self.clock.now(), problem });
        if sent.is_ok() {
            standing.delivered += messages.len() as u64;
        }
        sent
    }

    fn report(&self, messages: usize, outcome: &Outcome) {
        (self.listener)(&Report { destination: &self.name, messages, outcome });
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
