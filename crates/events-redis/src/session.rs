use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime};
use futures::Stream;
use orchestrator_events::Inbox;
use orchestrator_vocab::{EventId, OrgId};
use redis::aio::PubSubStream;
use redis::{AsyncConnectionConfig, Msg, Pipeline};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::keys::Keys;
use crate::{Config, Error};

/// One publishes, one follows, the others look something up.
const CONNECTIONS_MAX: usize = 4;

/// Redis, from being reached until it is lost. What is known about its content is forgotten with it.
pub(crate) struct Session {
    pool: Pool,
    pub(crate) keys: Keys,
    pub(crate) inbox: Inbox,
    /// This process, as others see it.
    pub(crate) node: String,
    pub(crate) patience: Duration,
    pub(crate) keep: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    genuine: HashSet<OrgId>,
    tails: HashMap<OrgId, Tail>,
    trimmed: HashMap<OrgId, Instant>,
}

/// Up to where a stream was followed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    /// The place in the stream.
    pub(crate) id: String,
    /// The highest number met.
    pub(crate) seq: u64,
}

impl Session {
    /// Connects, and listens to the channel.
    pub(crate) async fn begin(
        config: &Config,
        url: &SecretString,
        keys: Keys,
        inbox: Inbox,
    ) -> Result<(Arc<Self>, impl Stream<Item = Msg> + Unpin + use<>), Error> {
        let patience = config.patience();
        let client = redis::Client::open(url.expose_secret()).map_err(Error::address)?;
        let listener = within(patience, listen(&client, &keys)).await?;
        let options =
            AsyncConnectionConfig::new().set_connection_timeout(Some(patience)).set_response_timeout(Some(patience));
        let manager = Manager::new_with_config(url.expose_secret(), options).map_err(Error::address)?;
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(patience))
            .create_timeout(Some(patience))
            .recycle_timeout(Some(patience))
            .build()
            .map_err(|_| Error::Config("no runtime"))?;
        let session = Self {
            pool,
            keys,
            inbox,
            node: EventId::new().to_string(),
            patience,
            keep: config.keep(),
            known: Mutex::default(),
        };
        Ok((Arc::new(session), listener))
    }

    pub(crate) async fn connection(&self) -> Result<Connection, Error> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error.into(),
            _ => Error::Silent,
        })
    }

    /// Sends the commands together and reads all answers.
    pub(crate) async fn ask<T: redis::FromRedisValue>(
        &self,
        connection: &mut Connection,
        commands: &Pipeline,
    ) -> Result<T, Error> {
        within(self.patience, async { Ok(commands.query_async(connection).await?) }).await
    }

    pub(crate) fn is_known_genuine(&self, org: OrgId) -> bool {
        self.known().genuine.contains(&org)
    }

    pub(crate) fn found_genuine(&self, org: OrgId) {
        self.known().genuine.insert(org);
    }

    pub(crate) fn tail(&self, org: OrgId) -> Option<Tail> {
        self.known().tails.get(&org).cloned()
    }

    pub(crate) fn set_tail(&self, org: OrgId, tail: Tail) {
        self.known().tails.insert(org, tail);
    }

    pub(crate) fn forget_tail(&self, org: OrgId) {
        self.known().tails.remove(&org);
    }

    /// True once in a while for each organisation.
    pub(crate) fn is_due_for_trimming(&self, org: OrgId, every: Duration) -> bool {
        let mut known = self.known();
        let is_due = known.trimmed.get(&org).is_none_or(|at| at.elapsed() >= every);
        if is_due {
            known.trimmed.insert(org, Instant::now());
        }
        is_due
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(client: &redis::Client, keys: &Keys) -> Result<PubSubStream, Error> {
    let mut listener = client.get_async_pubsub().await?;
    listener.subscribe(keys.channel()).await?;
    Ok(listener.into_on_message())
}

/// A Redis that accepts and never answers must look like one that is gone.
pub(crate) async fn within<T>(patience: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(Error::Silent))
}
