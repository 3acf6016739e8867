use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolving};

use crate::policy::Policy;

/// Finds the addresses of a host.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of the host, in the order in which they are to be tried; each is checked before any is connected to. The
    /// name is lowercase ASCII and never an address.
    ///
    /// # Errors
    /// Whatever the resolver says. No address at all is an error to the caller too.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// What the operating system does: its hosts file, its name servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The only resolver that connections ask: what it answers with was checked, and is what they connect to. Nobody asks again
/// in between.
pub(crate) struct Checked {
    pub(crate) policy: Arc<Policy>,
    pub(crate) resolver: Arc<dyn Resolve>,
}

/// The resolver had nothing.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Unresolved {
    pub(crate) kind: io::ErrorKind,
    pub(crate) problem: String,
}

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, resolver) = (self.policy.clone(), self.resolver.clone());
        Box::pin(async move {
            let host = name.as_str();
            let found = resolver.resolve(host).await;
            let addresses = found.map_err(|error| Unresolved { kind: error.kind(), problem: error.to_string() })?;
            if addresses.is_empty() {
                let problem = "it has no address".to_owned();
                return Err(Unresolved { kind: io::ErrorKind::NotFound, problem }.into());
            }
            policy.check_addresses(host, &addresses)?;
            // The port is that of the URL.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
