//! The configuration that is in force, and every way to change it: files, SIGHUP, operations. One change at a time; each is
//! checked as a whole and applied as a whole, or refused as a whole.

mod journal;
mod set;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use anyhow::Context as _;
use orchestrator_redact::Redactor;
use orchestrator_settings::{Loaded, Watch};
use orchestrator_vocab::Actor;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::changes::{self, Changes};
use crate::config::{Config, Reading};
use crate::live::Live;

pub(crate) use journal::Journal;
pub(crate) use set::{NotSet, Wish};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Configuration(Arc<Inner>);

struct Inner {
    reading: Reading,
    data: PathBuf,
    redactor: Redactor,
    current: RwLock<Arc<Current>>,
    /// The parts, once they are made: some of them answer questions about the configuration.
    live: OnceLock<(Live, Journal)>,
    /// Held while something changes.
    turn: tokio::sync::Mutex<()>,
    refused: Mutex<Refusal>,
    /// Wakes whoever looks at the files.
    look: Arc<Notify>,
    /// Changes are not left half done when whoever asked goes away.
    tracker: TaskTracker,
}

/// What is configured, and what of it is in effect.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) loaded: Loaded<Config>,
    pub(crate) running: Config,
}

/// What was done, and how things were before.
type Done = (Changes, Arc<Current>);

/// Why the last change was refused, if it was, and a file that was missed in it.
#[derive(Debug, Default)]
struct Refusal {
    reason: Option<String>,
    unread: Option<PathBuf>,
}

/// What asks for a change.
#[derive(Debug, Clone)]
pub(crate) enum Trigger {
    /// A file is not as it was.
    File,
    /// SIGHUP.
    Signal,
    /// `config.reload`.
    Reload(Actor),
    /// `config.set`.
    Set(Actor),
}

/// What a change did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changed {
    /// The keys whose values took effect now.
    pub(crate) applied: Vec<String>,
    /// The keys that are configured otherwise than they are in effect, until the daemon is restarted.
    pub(crate) restart: Vec<String>,
}

/// A change that was refused; nothing is different.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

impl Configuration {
    pub(crate) fn new(reading: Reading, data: PathBuf, loaded: Loaded<Config>, redactor: Redactor) -> Self {
        let running = loaded.value.clone();
        Self(Arc::new(Inner {
            reading,
            data,
            redactor,
            current: RwLock::new(Arc::new(Current { loaded, running })),
            live: OnceLock::new(),
            turn: tokio::sync::Mutex::default(),
            refused: Mutex::default(),
            look: Arc::default(),
            tracker: TaskTracker::new(),
        }))
    }

    /// Names the parts that changes are applied to.
    pub(crate) fn connect(&self, live: Live, journal: Journal) {
        journal.succeeded();
        // Composed once.
        let _ = self.0.live.set((live, journal));
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    /// Follows the files of the configuration, and SIGHUP, until `stop`.
    ///
    /// # Errors
    /// None: what cannot be watched is logged, and the rest goes on.
    pub(crate) async fn run(&self, hangup: &mut Signal, stop: CancellationToken) -> std::io::Result<()> {
        let look = self.0.look.clone();
        let told = look.clone();
        let watch = Watch::new(move || told.notify_one());
        if let Err(error) = &watch {
            tracing::warn!(error = error as &dyn std::error::Error, "changes of files are not noticed; use SIGHUP");
        }
        loop {
            if let Ok(watch) = &watch {
                self.follow(watch);
            }
            let trigger = tokio::select! {
                () = stop.cancelled() => break,
                _ = hangup.recv() => Trigger::Signal,
                () = look.notified() => Trigger::File,
            };
            // Events and the log tell.
            let _ = self.reload(trigger).await;
        }
        self.0.tracker.close();
        self.0.tracker.wait().await;
        Ok(())
    }

    fn follow(&self, watch: &Watch) {
        let mut files = self.current().loaded.files.clone();
        files.extend(self.0.refused().unread.clone());
        match watch.follow(files) {
            // What was written between reading and this is read now.
            Ok(true) => self.0.look.notify_one(),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "use SIGHUP after a change"),
        }
    }

    /// Reads everything again.
    pub(crate) async fn reload(&self, trigger: Trigger) -> Result<Changed, Refused> {
        let inner = self.0.clone();
        let change = async move {
            let _turn = inner.turn.lock().await;
            let reading = inner.clone();
            let read = tokio::task::spawn_blocking(move || reading.reading.load()).await;
            let read = read.map_err(anyhow::Error::from).and_then(|read| read);
            inner.change(read, trigger).await
        };
        self.apart(change).await
    }

    /// Runs to its end, also if the caller goes away.
    async fn apart<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        let answer = self.0.tracker.spawn(change).await;
        answer.unwrap_or_else(|error| Err(Refused(format!("the change was cut off: {error}"))))
    }
}

impl Inner {
    fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Refusal> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what was read in force, or tells why not.
    async fn change(&self, read: anyhow::Result<Loaded<Config>>, trigger: Trigger) -> Result<Changed, Refused> {
        let outcome = read.and_then(|loaded| self.put_in_force(loaded, || Ok(())));
        self.tell(outcome, &trigger).await
    }

    /// All of it or nothing. `save` runs when nothing else can fail any more.
    fn put_in_force(&self, loaded: Loaded<Config>, save: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Done> {
        let (live, _) = self.live.get().context("the daemon is still starting")?;
        let before = self.current();
        let changes = changes::plan(&before.running, &loaded.value);
        let running = changes::effective(&before.running, &loaded.value);
        running.validate().with_context(|| match changes.restart.as_slice() {
            [] => "the configuration".to_owned(),
            keys => format!("with {} as before until the daemon is restarted", keys.join(", ")),
        })?;
        let gateway = live.prepare(&running)?;
        save()?;
        for (key, secret) in changes::secrets(&loaded.value) {
            // One that is too short was told of when it was refused, or is a program's own affair.
            let known = !key.starts_with("agents.") && changes.restart.contains(&key);
            let _ = known.then(|| self.redactor.add(&key, &secret));
        }
        live.apply(&running, gateway)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Current { loaded, running });
        Ok((changes, before))
    }

    async fn tell(&self, outcome: anyhow::Result<Done>, trigger: &Trigger) -> Result<Changed, Refused> {
        let Some((_, journal)) = self.live.get() else { return Err(Refused("the daemon is still starting".into())) };
        match outcome {
            Ok((changes, before)) => {
                let was_refused = std::mem::take(&mut *self.refused()).reason.is_some();
                let old = changes::plan(&before.running, &before.loaded.value).restart;
                let is_news = was_refused || !changes.applied.is_empty() || changes.restart != old;
                if is_news || !matches!(trigger, Trigger::File) {
                    journal.reloaded(&changes, trigger).await;
                }
                if is_news {
                    // Other files may be worth following.
                    self.look.notify_one();
                }
                Ok(Changed { applied: changes.applied, restart: changes.restart })
            }
            Err(error) => {
                let unread = error.downcast_ref::<orchestrator_settings::Error>().and_then(|error| error.unread());
                let reason = self.redactor.redact(&format!("{error:#}")).into_owned();
                let refusal = Refusal { reason: Some(reason.clone()), unread: unread.map(ToOwned::to_owned) };
                let before = std::mem::replace(&mut *self.refused(), refusal);
                if before.reason.as_ref() != Some(&reason) || !matches!(trigger, Trigger::File) {
                    journal.refused(&reason, trigger).await;
                }
                Err(Refused(reason))
            }
        }
    }
}
