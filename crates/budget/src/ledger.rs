//! The handle.

mod keeper;
mod limits;
mod pacing;
mod reserving;
mod settling;
mod straining;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_transcript::Usage;
use orchestrator_vocab::{Clock, OrgId, Timestamp};
use tokio_util::task::TaskTracker;

use crate::estimate::Experience;
use crate::{
    Apply, Command, Config, CountTokens, Degrade, Error, Limit, Outcome, Owner, Policy, PriceBook, Reservation, Share,
    Store, Zone,
};

pub use keeper::Recovered;
pub use reserving::Request;

/// What a [`Ledger`] is made of.
pub struct Parts {
    /// Where it is kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// This start of this daemon.
    pub owner: Owner,
    /// What the operator decides.
    pub config: Config,
    /// Who knows what became of a request when a daemon was cut off.
    pub witness: Arc<dyn Witness>,
    /// Whose models the providers run, as the snapshot of prices names them, by the names of the providers. For what might have been
    /// saved.
    pub vendors: BTreeMap<String, String>,
}

/// Who may know what a request used whose end the ledger has not seen.
#[async_trait]
pub trait Witness: Send + Sync {
    /// What it used, if that is known for certain.
    async fn used(&self, reservation: &Reservation) -> Option<Usage>;
}

/// Nobody knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWitness;

#[async_trait]
impl Witness for NoWitness {
    async fn used(&self, _: &Reservation) -> Option<Usage> {
        None
    }
}

/// Who spends how much. Cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    owner: Owner,
    rules: RwLock<Arc<Rules>>,
    witness: Arc<dyn Witness>,
    vendors: BTreeMap<String, String>,
    experience: Experience,
    /// Settlements that the store would not take.
    unsettled: Mutex<Vec<(OrgId, Command)>>,
    /// What was begun is finished, also if nobody waits for it.
    tracker: TaskTracker,
}

/// What is configured, as it is used.
#[derive(Clone)]
struct Rules {
    book: PriceBook,
    policy: Arc<Policy>,
    /// From which share of a limit on much of it is spent.
    soft: Share,
    degrade: Arc<Degrade>,
    /// How often paces are looked at, if they are.
    pace_every: Option<Duration>,
    zone: Zone,
    output_usual: u64,
    count_tokens: CountTokens,
    keep: Duration,
    retention: Duration,
}

impl Rules {
    fn with_firm(&self, firm: Vec<(OrgId, Limit)>) -> Self {
        Self { policy: Arc::new(Policy { firm, ..(*self.policy).clone() }), ..self.clone() }
    }

    fn of(config: &Config) -> Result<Arc<Self>, Error> {
        config.validate()?;
        Ok(Arc::new(Self {
            book: config.book()?,
            policy: Arc::new(config.policy()),
            soft: config.alert_threshold,
            degrade: Arc::new(config.degrade.clone()),
            pace_every: config.alerts_enabled.then_some(config.pace_check_ms).flatten().map(Duration::from_millis),
            zone: config.time_zone.clone(),
            output_usual: config.output_estimate.into(),
            count_tokens: config.count_tokens,
            keep: Duration::from_millis(config.reservation_ms),
            retention: Duration::from_secs(u64::from(config.retention_days) * 24 * 60 * 60),
        }))
    }
}

impl Ledger {
    /// Starts nothing; see [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is configured wrongly.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { store, clock, owner, config, witness, vendors } = parts;
        Ok(Self(Arc::new(Inner {
            rules: RwLock::new(Rules::of(&config)?),
            store,
            clock,
            owner,
            witness,
            vendors,
            experience: Experience::default(),
            unsettled: Mutex::default(),
            tracker: TaskTracker::new(),
        })))
    }

    /// Puts another configuration in force. What was reserved stays in the windows it was reserved in.
    ///
    /// # Errors
    /// [`Error::Invalid`]; then everything is as before.
    pub fn reconfigure(&self, config: &Config) -> Result<(), Error> {
        let rules = Rules::of(config)?;
        let mut known = self.0.rules.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(rules.with_firm(known.policy.firm.clone()));
        Ok(())
    }

    /// Puts limits in force that count beside all others, each in one organisation, in the place of those that were. No operation
    /// raises them.
    ///
    /// # Errors
    /// [`Error::Invalid`]; then everything is as before.
    pub fn hold_to(&self, firm: Vec<(OrgId, Limit)>) -> Result<(), Error> {
        firm.iter().try_for_each(|(_, limit)| limit.validate())?;
        let mut known = self.0.rules.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(known.with_firm(firm));
        Ok(())
    }

    /// Waits for settlements under way. Nothing may be reserved any more.
    pub async fn close(&self) {
        self.0.tracker.close();
        self.0.tracker.wait().await;
        self.settle_the_rest().await;
    }

    /// When providers are asked how many tokens of input a request is.
    pub fn count_tokens(&self) -> CountTokens {
        self.rules().count_tokens
    }

    /// Where it is kept.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// What time it is here.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn zone(&self) -> Zone {
        self.rules().zone.clone()
    }

    pub(crate) fn vendor_of<'n>(&'n self, provider: &'n str) -> &'n str {
        self.0.vendors.get(provider).map_or(provider, String::as_str)
    }

    fn rules(&self) -> Arc<Rules> {
        self.0.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For a [`Hold`](crate::Hold).
    pub(crate) async fn top_up(&self, org: OrgId, command: Command) -> Result<Outcome, Error> {
        self.apply(org, command).await
    }

    async fn apply(&self, org: OrgId, command: Command) -> Result<Outcome, Error> {
        let policy = self.rules().policy.clone();
        self.0.store.apply(Apply { org, command, policy, now: self.now() }).await
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("owner", &self.owner).field("config", &self.config).finish_non_exhaustive()
    }
}
