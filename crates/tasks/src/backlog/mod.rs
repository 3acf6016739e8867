mod forgetting;
mod owners;
mod reading;
mod schedules;
mod tasks;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::engine::{Command, Effects, Plan};
use crate::poke::Poke;
use crate::trail::Mark;
use crate::{Config, Error, Origin, Rows, Store, Work};

/// How often a command runs again because somebody else wrote at the same time.
const CONFLICTS_MAX: usize = 5;

/// The backlog: what it holds, and every way to change it. Cheap to clone; all clones share one store.
///
/// Commands are atomic: one that is refused has changed nothing. Constructing one starts nothing; what happens by the
/// passage of time happens in [`Keeper::run`](crate::Keeper::run), what is given to agents is given by
/// [`Scheduler::run`](crate::Scheduler::run).
#[derive(Clone)]
pub struct Backlog {
    store: Arc<dyn Store>,
    /// Of all clones.
    config: Arc<RwLock<Arc<Config>>>,
    poke: Arc<Poke>,
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backlog").field("config", &self.config()).finish_non_exhaustive()
    }
}

impl Backlog {
    /// A backlog over a store; the store says what time it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the configuration breaks a limit.
    pub fn new(store: Arc<dyn Store>, config: Config) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self { store, config: Arc::new(RwLock::new(Arc::new(config))), poke: Arc::default() })
    }

    /// How it is configured now.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another configuration in force, for this backlog, its clones, keepers and schedulers, from the next command or
    /// sweep on. Leases that were given stay as they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it breaks a limit, or if it changes `ageingStepMs`: the ready index was written with it. The old
    /// configuration stays.
    pub fn reconfigure(&self, config: Config) -> Result<(), Error> {
        config.validate()?;
        let mut current = self.config.write().unwrap_or_else(PoisonError::into_inner);
        if config.ageing_step_ms != current.ageing_step_ms {
            return Err(Error::invalid("ageingStepMs", "cannot change while the backlog is in use"));
        }
        *current = Arc::new(config);
        Ok(())
    }

    pub(crate) fn poke(&self) -> &Poke {
        &self.poke
    }

    /// Runs a command, again if somebody else wrote at the same time.
    pub(crate) async fn run<C: Command>(&self, origin: &Origin, command: C) -> Result<C::Output, Error> {
        let slot: Arc<Mutex<Option<C::Output>>> = Arc::default();
        let effects: Arc<Mutex<Effects>> = Arc::default();
        let work: Work = {
            let (slot, told) = (slot.clone(), effects.clone());
            let (config, origin, command) = (self.config(), origin.clone(), Arc::new(command));
            Arc::new(move |rows| {
                let (slot, told) = (slot.clone(), told.clone());
                let (config, origin, command) = (config.clone(), origin.clone(), command.clone());
                Box::pin(async move {
                    let mut plan = Plan::new(rows, &config, &origin);
                    let output = command.run(&mut plan).await?;
                    let effects = plan.flush().await?;
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = effects;
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(output);
                    Ok(())
                })
            })
        };
        self.transact(work).await?;
        let effects = std::mem::take(&mut *effects.lock().unwrap_or_else(PoisonError::into_inner));
        effects.marks.iter().for_each(Mark::tell);
        if effects.worth_a_round {
            self.poke.poke(origin.org);
        }
        let output = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        output.ok_or_else(|| Error::Store("the store answered without running the work".into()))
    }

    /// Removes tasks that finished longer than `age` ago.
    pub(crate) async fn remove_finished(&self, age: Duration, limit: usize) -> Result<u64, Error> {
        let removed = Arc::new(AtomicU64::new(0));
        let count = removed.clone();
        let work: Work = Arc::new(move |rows| {
            let count = count.clone();
            Box::pin(async move {
                let removed = rows.remove_finished(rows.now() - age, limit).await?;
                count.store(removed, Ordering::Relaxed);
                Ok(())
            })
        });
        self.transact(work).await?;
        Ok(removed.load(Ordering::Relaxed))
    }

    pub(crate) async fn transact(&self, work: Work) -> Result<(), Error> {
        for _ in 0..CONFLICTS_MAX {
            match self.store.transact(work.clone()).await {
                Err(Error::Conflict) => {}
                answer => return answer,
            }
        }
        self.store.transact(work).await
    }

    pub(crate) async fn read<T, F>(&self, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t dyn Rows) -> BoxFuture<'t, Result<T, Error>> + Send + Sync + 'static,
    {
        let slot: Arc<Mutex<Option<T>>> = Arc::default();
        let work: Work = {
            let (slot, look) = (slot.clone(), Arc::new(look));
            Arc::new(move |rows| {
                let (slot, look) = (slot.clone(), look.clone());
                Box::pin(async move {
                    let found = look(rows).await?;
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                    Ok(())
                })
            })
        };
        self.store.read(work).await?;
        let found = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        found.ok_or_else(|| Error::Store("the store answered without running the work".into()))
    }
}
