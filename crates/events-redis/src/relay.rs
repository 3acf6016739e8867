use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_events::{Event, Inbox, Relay, Transient};
use orchestrator_vocab::{Clock, OrgId};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::circuit::{Circuit, add};
use crate::keys::Keys;
use crate::queues::Queues;
use crate::session::{Session, within};
use crate::{Config, Error, Health, State, publish, receive, stream};

/// Between two attempts to reach Redis.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A [`Relay`] through Redis. Cheap to clone; does nothing before [`run`](RedisRelay::run).
#[derive(Clone)]
pub struct RedisRelay {
    config: Config,
    url: SecretString,
    shared: Arc<Shared>,
}

struct Shared {
    circuit: Circuit,
    queues: Queues,
    session: Mutex<Option<Arc<Session>>>,
}

impl std::fmt::Debug for RedisRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisRelay").field("prefix", &self.config.prefix).finish_non_exhaustive()
    }
}

impl RedisRelay {
    /// `None` if no address is configured. Nothing is connected yet: Redis may be absent.
    ///
    /// # Errors
    /// As [`Config::validate`].
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Option<Self>, Error> {
        config.validate()?;
        let Some(url) = config.url.clone() else { return Ok(None) };
        let shared = Shared { circuit: Circuit::new(clock), queues: Queues::new(), session: Mutex::default() };
        Ok(Some(Self { config, url, shared: Arc::new(shared) }))
    }

    /// How it stands with Redis, and what has crossed.
    pub fn health(&self) -> Health {
        self.shared.circuit.health()
    }

    /// Follows how it stands with Redis.
    pub fn states(&self) -> watch::Receiver<State> {
        self.shared.circuit.states()
    }

    /// Carries until `stop`, through every outage of Redis: what is wrong with it is in [`health`](RedisRelay::health), and
    /// logged once per outage.
    ///
    /// # Errors
    /// Only if the log cannot be asked who it is; run it again.
    pub async fn run(&self, inbox: Inbox, stop: CancellationToken) -> Result<(), Error> {
        let log_id = inbox.log_id().await?;
        let mut pause = PAUSE_MIN;
        loop {
            let session = Box::pin(self.session(&log_id, &inbox));
            let Some(ended) = stop.run_until_cancelled(session).await else { break };
            let Ended { error, was_up } = ended;
            self.set_session(None);
            self.shared.circuit.open(&error);
            // What still waits was promised to others: they have to look elsewhere.
            inbox.was_not_carried();
            pause = if was_up { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.set_session(None);
        self.shared.circuit.end();
        Ok(())
    }

    /// From reaching Redis until it is lost.
    async fn session(&self, log_id: &str, inbox: &Inbox) -> Ended {
        let keys = Keys::new(&self.config.prefix, log_id);
        let begun = Session::begin(&self.config, &self.url, keys, inbox.clone()).await;
        let (session, channel) = match begun {
            Ok(begun) => begun,
            Err(error) => return Ended { error, was_up: false },
        };
        if let Err(error) = session.connection().await {
            return Ended { error, was_up: false };
        }
        self.set_session(Some(session.clone()));
        let Shared { circuit, queues, .. } = &*self.shared;
        if circuit.close() {
            // What others have sent meanwhile was live only, and nobody has it any more.
            inbox.output_may_be_missing();
        }
        // The channel is heard from now on; what was said before is in the log.
        inbox.look_into_the_log();
        let lost = tokio::select! {
            lost = publish::run(&session, queues, circuit) => lost,
            lost = receive::run(&session, channel, circuit) => lost,
        };
        let error = lost.err().unwrap_or(Error::Config("ended"));
        Ended { error, was_up: true }
    }

    fn set_session(&self, session: Option<Arc<Session>>) {
        *self.shared.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    fn current(&self) -> Option<Arc<Session>> {
        self.shared.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Ended {
    error: Error,
    was_up: bool,
}

#[async_trait]
impl Relay for RedisRelay {
    fn offer(&self, events: &[Arc<Event>]) -> bool {
        let Shared { circuit, queues, .. } = &*self.shared;
        let taken = circuit.is_up() && queues.offer(events);
        if !taken {
            add(&circuit.counts.events_not_sent, events.len());
        }
        taken
    }

    fn offer_transient(&self, piece: &Arc<Transient>) {
        let Shared { circuit, queues, .. } = &*self.shared;
        if !(circuit.is_up() && queues.offer_piece(piece)) {
            add(&circuit.counts.pieces_dropped, 1);
            queues.lost([(piece.org, 1)]);
        }
    }

    fn is_up(&self) -> bool {
        self.shared.circuit.is_up()
    }

    async fn recall(&self, org: OrgId) -> Option<Vec<Arc<Event>>> {
        let session = self.current()?;
        let whole = async {
            let mut connection = session.connection().await?;
            stream::whole(&session, &mut connection, org).await
        };
        // What fails here fails for the sending half too, which draws the conclusion.
        within(session.patience * 2, whole).await.ok()
    }

    async fn forget(&self, org: OrgId) {
        let Some(session) = self.current() else {
            return tracing::warn!(%org, "Redis cannot be reached: what its stream holds goes with its age");
        };
        let gone = async {
            let mut connection = session.connection().await?;
            stream::delete(&session, &mut connection, org).await
        };
        if let Err(error) = within(session.patience * 2, gone).await {
            tracing::warn!(%org, error = &error as &dyn std::error::Error, "the stream in Redis was not deleted");
        }
    }
}
