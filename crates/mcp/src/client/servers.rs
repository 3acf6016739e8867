use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use orchestrator_events::NewEvent;
use orchestrator_process::Host;
use orchestrator_tools::Registry;
use orchestrator_vocab::{Actor, Clock, OrgId};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::config::ServerConfig;
use super::info::{ServerInfo, State};
use super::names::ServerName;
use super::server::Server;
use super::store::Store;
use crate::Error;

/// Every server that is configured. Cheap to clone. Nothing is started until somebody [runs](Self::run) them, one by one.
#[derive(Clone)]
pub struct Servers(Arc<BTreeMap<ServerName, Arc<Server>>>);

/// What servers are made of.
pub struct Parts {
    /// The operator's.
    pub servers: BTreeMap<ServerName, ServerConfig>,
    /// Where their tools are offered, as `mcp.SERVER.TOOL`.
    pub registry: Registry,
    /// Where is remembered which of them may be.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What starts those that are programs.
    pub host: Host,
}

pub(super) struct Shared {
    pub(super) registry: Registry,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) host: Host,
}

impl Servers {
    /// Those of `parts`.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { servers, registry, store, clock, host } = parts;
        let shared = Arc::new(Shared { registry, store, clock, host });
        let server = |(name, config): (ServerName, ServerConfig)| {
            config.validate().map_err(|error| Error::Config(format!("{name}.{error}")))?;
            Ok((name.clone(), Arc::new(Server::new(name, config, shared.clone()))))
        };
        Ok(Self(Arc::new(servers.into_iter().map(server).collect::<Result<_, Error>>()?)))
    }

    /// Those to [run](Self::run).
    pub fn enabled(&self) -> Vec<ServerName> {
        self.0.values().filter(|server| server.config.enabled).map(|server| server.name.clone()).collect()
    }

    /// Keeps the conversation with one of them, until `stop` is cancelled: connects, again after a while where that fails, and
    /// offers its tools while it lasts. Ends at once for one that is not there or not enabled.
    pub async fn run(&self, name: &ServerName, stop: CancellationToken) {
        if let Some(server) = self.0.get(name).filter(|server| server.config.enabled) {
            server.run(stop).await;
        }
    }

    /// Its [`run`](Self::run) was dropped in the middle, and its program is killed: its tools are not offered any more.
    pub fn cut_off(&self, name: &ServerName) {
        if let Some(server) = self.0.get(name) {
            server.cut_off();
        }
    }

    /// All of them, in the order of their names.
    pub fn list(&self) -> Vec<ServerInfo> {
        self.0.values().map(|server| server.known().info.clone()).collect()
    }

    /// How many are enabled, by whether they are connected.
    pub fn counts(&self) -> (usize, usize) {
        let states = self.0.values().map(|server| server.known().info.state).filter(|state| *state != State::Disabled);
        let (connected, others): (Vec<State>, Vec<State>) = states.partition(|state| *state == State::Connected);
        (connected.len(), others.len())
    }

    /// From now on a tool may be called as the server tells it now, which is what has this digest. It is offered at once.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::UnknownTool`], [`Error::OtherDigest`], [`Error::Store`].
    pub async fn confirm(&self, server: &str, tool: &str, digest: &str, actor: Actor) -> Result<(), Error> {
        let server = self.get(server)?;
        let (name, definition) = {
            let known = server.known();
            let found = known.catalogue.confirmable.get(tool).cloned();
            found.ok_or_else(|| Error::UnknownTool { server: server.name.to_string(), tool: tool.to_owned() })?
        };
        let now = definition.digest.to_string();
        if now != digest {
            return Err(Error::OtherDigest { server: server.name.to_string(), tool: tool.to_owned(), digest: now });
        }
        let payload = json!({ "server": server.name, "tool": tool, "name": name, "digest": digest });
        let (name, time) = ("mcp.tool.confirmed", server.shared.clock.now());
        let subject = Some(server.name.to_string());
        let event = NewEvent { subject, ..NewEvent::new(OrgId::LOCAL, name, time, actor, payload) };
        let pinned = (definition.digest, definition.value);
        server.shared.store.pin(server.name.as_str(), tool, pinned, event).await?;
        server.look_again().await;
        Ok(())
    }

    /// A tool of this server was confirmed, by whomever: what is offered is looked at again.
    pub fn confirmed(&self, server: &str) {
        if let Ok(server) = self.get(server) {
            server.look_later();
        }
    }

    /// Ends the conversation and begins another one, at once.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::Disabled`].
    pub fn restart(&self, server: &str) -> Result<(), Error> {
        let server = self.get(server)?;
        if !server.config.enabled {
            return Err(Error::Disabled(server.name.to_string()));
        }
        server.restart.notify_one();
        Ok(())
    }

    fn get(&self, server: &str) -> Result<&Arc<Server>, Error> {
        let name = server.parse::<ServerName>().ok();
        let unknown = || Error::UnknownServer(server.chars().take(64).collect());
        name.and_then(|name| self.0.get(&name)).ok_or_else(unknown)
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("servers", &self.servers.keys()).finish_non_exhaustive()
    }
}
