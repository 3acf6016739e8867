use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use orchestrator_vocab::{Clock, Timestamp};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::delivering::Means;
use crate::lane::Lane;
use crate::{Config, Error, Failure, Kind, Message};

/// What a [`Notifier`] is made of.
pub struct Parts {
    /// What is configured.
    pub config: Config,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Takes out of every text what may not leave.
    pub filter: Arc<dyn Fn(&str) -> String + Send + Sync>,
    /// Hears of everything that was sent or given up. It must be quick.
    pub listener: Arc<dyn Fn(&Report<'_>) + Send + Sync>,
}

/// What became of messages.
#[derive(Debug)]
pub struct Report<'r> {
    /// To whom.
    pub destination: &'r str,
    /// How many: more than one were summed up.
    pub messages: usize,
    /// What became of them.
    pub outcome: &'r Outcome,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The other side has taken it, alone or with others, at this attempt.
    Delivered {
        /// From 1.
        attempt: u32,
    },
    /// One with the same key was sent just before.
    Duplicate,
    /// It was given up.
    Failed {
        /// How often it was tried.
        attempts: u32,
        /// What happened last.
        failure: Failure,
    },
}

/// Tells what becomes of a message.
#[derive(Debug)]
pub struct Receipt(pub(crate) Told);

/// What is known of it.
#[derive(Debug)]
pub(crate) enum Told {
    Open(oneshot::Receiver<Outcome>),
    Known(Option<Outcome>),
}

/// A destination, and how it is doing. No secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// As it is configured.
    pub name: String,
    /// How it is reached.
    pub kind: Kind,
    /// Who is spoken to.
    pub host: String,
    /// How many messages wait for it.
    pub waiting: usize,
    /// How many it got since the start.
    pub delivered: u64,
    /// How many were given up since the start.
    pub failed: u64,
    /// What came of the last attempt, also of one that will be made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Last>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Tells people. Cheap to clone.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

struct Inner {
    lanes: BTreeMap<String, Arc<Lane>>,
    filter: Arc<dyn Fn(&str) -> String + Send + Sync>,
}

impl Notifier {
    /// Connects to nobody; see [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { config, clock, filter, listener } = parts;
        config.validate()?;
        let client = orchestrator_egress::Client::new(config.egress())
            .map_err(|error| Error::config("destinations", error.to_string()))?;
        let timeout = std::time::Duration::from_millis(config.bounds.timeout_ms);
        let means = Arc::new(Means { client, timeout });
        let mut lanes = BTreeMap::new();
        for (name, destination) in &config.destinations {
            let target = destination
                .target()
                .map_err(|(key, problem)| Error::config(format!("destinations.{name}.{key}"), problem))?;
            let parts = (means.clone(), config.bounds.clone(), clock.clone(), listener.clone(), filter.clone());
            lanes.insert(name.clone(), Arc::new(Lane::new(name.clone(), target, parts)));
        }
        Ok(Self(Arc::new(Inner { lanes, filter })))
    }

    /// Takes a message for somebody. It is sent by [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Full`]: nothing was taken, try later.
    pub fn send(&self, destination: &str, message: Message) -> Result<Receipt, Error> {
        self.lane(destination)?.take(message.ready(&*self.0.filter))
    }

    /// Tries once, at once, past everything that waits, and tells what came of it.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub async fn try_now(&self, destination: &str, message: Message) -> Result<Result<(), Failure>, Error> {
        let lane = self.lane(destination)?;
        let message = message.ready(&*self.0.filter);
        Ok(lane.attempt(&[&message]).await)
    }

    /// Every destination, in the order of their names.
    pub fn list(&self) -> Vec<Info> {
        self.0.lanes.values().map(|lane| lane.info()).collect()
    }

    /// Sends what is taken until `stop`. What was not sent by then is not sent: its receipts say so.
    pub async fn run(&self, stop: CancellationToken) {
        let lanes = join_all(self.0.lanes.values().map(|lane| lane.run()));
        if self.0.lanes.is_empty() {
            stop.cancelled().await;
        } else {
            stop.run_until_cancelled(lanes).await;
        }
    }

    fn lane(&self, name: &str) -> Result<&Arc<Lane>, Error> {
        self.0.lanes.get(name).ok_or_else(|| Error::Unknown(name.chars().take(64).collect()))
    }
}

impl Receipt {
    pub(crate) fn new(told: oneshot::Receiver<Outcome>) -> Self {
        Self(Told::Open(told))
    }

    /// What became of it; `None`: the notifier was stopped before it was sent, or while it was.
    pub async fn outcome(mut self) -> Option<Outcome> {
        self.settled().await;
        self.peek().flatten()
    }

    /// Waits until that is known. Cancel-safe.
    pub async fn settled(&mut self) {
        if let Told::Open(told) = &mut self.0 {
            self.0 = Told::Known(told.await.ok());
        }
    }

    /// The same, if it is known by now.
    pub fn peek(&mut self) -> Option<Option<Outcome>> {
        if let Told::Open(told) = &mut self.0 {
            match told.try_recv() {
                Ok(outcome) => self.0 = Told::Known(Some(outcome)),
                Err(oneshot::error::TryRecvError::Closed) => self.0 = Told::Known(None),
                Err(oneshot::error::TryRecvError::Empty) => return None,
            }
        }
        match &self.0 {
            Told::Known(outcome) => Some(outcome.clone()),
            Told::Open(_) => None,
        }
    }
}

impl Outcome {
    /// As labels spell it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Duplicate => "duplicate",
            Self::Failed { .. } => "failed",
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("destinations", &self.0.lanes.keys()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}
