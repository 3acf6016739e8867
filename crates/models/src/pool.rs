use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::decide::Candidate;
use crate::health::{Admission, Health};
use crate::{Error, Facts, Provider};

const MINUTE: Duration = Duration::from_secs(60);

/// A model of a provider; as text, `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
pub struct Target {
    /// The provider's name as it is configured.
    pub provider: String,
    /// The model's name as the provider knows it.
    pub model: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// A provider with what the operator says about it.
#[derive(Debug)]
pub struct Member {
    /// Who runs the models.
    pub provider: Arc<dyn Provider>,
    /// Whose models they are, as the snapshot of facts names it; `None` if nobody's that it knows.
    pub vendor: Option<&'static str>,
    /// Requests under way at once, 1 or more.
    pub concurrent_max: usize,
    /// Requests begun per minute; `None` for no limit.
    pub per_minute_max: Option<u32>,
    /// Facts about its models that win over the snapshot's.
    pub models: BTreeMap<String, Facts>,
}

/// A [`Member`] and how it does.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) member: Member,
    places: Arc<Semaphore>,
    begun: Mutex<VecDeque<Instant>>,
    health: Mutex<Health>,
}

/// How a provider does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// Its name as it is configured.
    pub name: String,
    /// Whether it is asked.
    pub health: ProviderHealth,
    /// Attempts that failed lately, and all attempts lately.
    pub recent_failures: usize,
    /// Of them, all.
    pub recent_attempts: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// When it will be tried again, in milliseconds, while it is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u64>,
    /// From a request to the first piece of its answer, a moving average in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
}

/// Whether a provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProviderHealth {
    /// As usual.
    Healthy,
    /// Not for now: too much failed.
    Resting,
    /// The next request tries whether it is well again, or one does already.
    Probing,
}

impl Seat {
    pub(crate) fn new(member: Member) -> Self {
        let places = Arc::new(Semaphore::new(member.concurrent_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { member, places, begun: Mutex::default(), health: Mutex::default() }
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of one of its models.
    pub(crate) fn facts(&self, model: &str) -> Facts {
        let own = self.member.models.get(model).cloned().unwrap_or_default();
        match self.member.vendor.and_then(|vendor| Facts::known(vendor, model)) {
            Some(known) => own.or(known),
            None => own,
        }
    }

    pub(crate) fn candidate(&self, model: &str) -> Candidate {
        let health = self.health();
        Candidate {
            facts: self.facts(model),
            admission: health.look(Instant::now()),
            first_token: health.first_token(),
            busy: self.in_flight(),
        }
    }

    fn in_flight(&self) -> usize {
        self.member.concurrent_max.saturating_sub(self.places.available_permits())
    }

    /// Waits for a place, at most so long. The place is kept until the answer ends.
    pub(crate) async fn place(&self, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let deadline = Instant::now() + patience;
        let place = tokio::time::timeout_at(deadline, self.places.clone().acquire_owned()).await.ok()?.ok()?;
        loop {
            match self.begin() {
                Ok(()) => return Some(place),
                Err(at) if at > deadline => return None,
                Err(at) => tokio::time::sleep_until(at).await,
            }
        }
    }

    /// Counts a request, or says when there is room for it.
    fn begin(&self) -> Result<(), Instant> {
        let Some(most) = self.member.per_minute_max else { return Ok(()) };
        let (now, mut begun) = (Instant::now(), self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        while begun.front().is_some_and(|at| *at + MINUTE <= now) {
            begun.pop_front();
        }
        match begun.front() {
            Some(oldest) if begun.len() >= most as usize => Err(*oldest + MINUTE),
            _ => {
                begun.push_back(now);
                Ok(())
            }
        }
    }

    pub(crate) fn status(&self) -> ProviderStatus {
        let health = self.health();
        let (recent_failures, recent_attempts) = health.counts();
        let (state, retry_in_ms) = match health.look(Instant::now()) {
            Admission::Yes => (ProviderHealth::Healthy, None),
            Admission::Probe | Admission::No(Duration::ZERO) => (ProviderHealth::Probing, None),
            Admission::No(wait) => (ProviderHealth::Resting, Some(crate::decide::millis(wait))),
        };
        ProviderStatus {
            name: self.member.provider.name().to_owned(),
            health: state,
            recent_failures,
            recent_attempts,
            in_flight: self.in_flight(),
            retry_in_ms,
            first_token_ms: health.first_token().map(crate::decide::millis),
        }
    }
}

/// All providers, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(BTreeMap<String, Arc<Seat>>);

impl Pool {
    pub(crate) fn new(members: Vec<Member>) -> Result<Self, Error> {
        let mut seats = BTreeMap::new();
        for member in members {
            let name = member.provider.name().to_owned();
            if member.concurrent_max == 0 || member.per_minute_max == Some(0) {
                return Err(Error::invalid("providers", format!("{name}: a limit of 0 lets nothing through")));
            }
            if seats.insert(name.clone(), Arc::new(Seat::new(member))).is_some() {
                return Err(Error::invalid("providers", format!("{name} is there twice")));
            }
        }
        Ok(Self(seats))
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.0.values()
    }

    pub(crate) fn seat(&self, provider: &str) -> Option<&Arc<Seat>> {
        self.0.get(provider)
    }

    /// Whom a text means: `provider/model`, or a model alone if only one provider can be meant.
    pub(crate) fn resolve(&self, text: &str) -> Result<Target, Error> {
        if let Some((provider, model)) = text.split_once('/')
            && self.0.contains_key(provider)
            && !model.is_empty()
        {
            return Ok(Target { provider: provider.to_owned(), model: model.to_owned() });
        }
        let knows = |seat: &&Arc<Seat>| seat.facts(text) != Facts::default();
        let mut known = self.seats().filter(knows);
        let provider = match (known.next(), known.next(), self.0.len()) {
            (Some(one), None, _) => one,
            (None, _, 1) if !text.is_empty() => self.seats().next().ok_or_else(|| Error::unknown(text))?,
            _ => return Err(Error::unknown(text)),
        };
        Ok(Target { provider: provider.member.provider.name().to_owned(), model: text.to_owned() })
    }
}
