//! A forward proxy for programs that may speak to some hosts only, and have no other way out.

mod answers;
mod body;
mod bounded;
mod config;
mod forward;
mod guest;
mod serving;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use tokio::net::TcpListener;

pub use self::config::ProxyConfig;
pub use self::guest::{About, Asked, Guest, Outcome};
use crate::policy::Policy;
use crate::{InvalidConfig, Resolve, SystemResolver};

/// Told of each connection that is asked for, before it is answered.
pub type Tell = Arc<dyn Fn(Asked) -> BoxFuture<'static, ()> + Send + Sync>;

/// Connects others to the hosts they may speak to, and to nobody else: `CONNECT host:port`, and `http://` in the first line. Names are
/// resolved and checked here, once for each connection, and what was checked is connected to. Cheap to clone.
///
/// Whoever reaches the listener may speak to the hosts of its guest: give each a listener that nobody else reaches.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    rules: RwLock<Arc<Rules>>,
    resolver: Arc<dyn Resolve>,
    tell: Tell,
}

/// A configuration, ready for use.
pub(crate) struct Rules {
    pub(crate) config: ProxyConfig,
    pub(crate) policy: Policy,
}

impl Proxy {
    /// One that resolves names as the operating system does.
    ///
    /// # Errors
    /// Names the first bound of the configuration that is none.
    pub fn new(config: ProxyConfig, tell: Tell) -> Result<Self, InvalidConfig> {
        Self::with_resolver(config, tell, Arc::new(SystemResolver))
    }

    /// One that resolves names as it is told to.
    ///
    /// # Errors
    /// As [`Proxy::new`].
    pub fn with_resolver(config: ProxyConfig, tell: Tell, resolver: Arc<dyn Resolve>) -> Result<Self, InvalidConfig> {
        Ok(Self(Arc::new(Inner { rules: RwLock::new(Arc::new(Rules::new(config)?)), resolver, tell })))
    }

    /// Takes another configuration, for connections from now on; `connectionsMax` for guests from now on.
    ///
    /// # Errors
    /// As [`Proxy::new`]; then it keeps the one it has.
    pub fn reconfigure(&self, config: ProxyConfig) -> Result<(), InvalidConfig> {
        let rules = Arc::new(Rules::new(config)?);
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// Serves whoever connects to this listener. Never returns; dropping the future ends every connection.
    pub async fn serve(&self, listener: TcpListener, guest: Guest) {
        serving::serve(self.clone(), listener, guest).await;
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.0.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Rules {
    fn new(config: ProxyConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let policy = Policy::letting_through(config.allow_hosts.clone(), config.allow_networks.clone());
        Ok(Self { config, policy })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("config", &self.rules().config).finish_non_exhaustive()
    }
}
