use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_events::NewEvent;
use orchestrator_tools::{InvalidTool, Tool};
use orchestrator_vocab::{Actor, OrgId};
use rmcp::{Peer, RoleClient};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::catalogue::{Catalogue, Seen};
use super::config::ServerConfig;
use super::connection::{Connection, list};
use super::info::{ServerInfo, State};
use super::link::{Link, Listener};
use super::names::ServerName;
use super::remote::RemoteTool;
use super::servers::Shared;
use crate::Error;

/// The first wait after a failure; each further one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A conversation that lasted so long was a good one: the next wait is the first again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// How often the tools are listed, whether or not the server says that they changed.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// A server that says so all the time is not asked more often.
const LIST_PAUSE: Duration = Duration::from_millis(100);
/// How long a program that says nothing more has to end by itself.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long whoever confirms a tool waits to see it offered.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// One server: what is known of it, and the loop that keeps the conversation with it.
pub(super) struct Server {
    pub(super) name: ServerName,
    pub(super) config: ServerConfig,
    pub(super) shared: Arc<Shared>,
    known: Mutex<Known>,
    /// Rung to begin anew.
    pub(super) restart: Notify,
    /// Rung when the tools are to be looked at.
    looking: Notify,
    /// How many looks were wanted, and the last of them that was taken.
    wanted: AtomicU64,
    looked: watch::Sender<u64>,
}

pub(super) struct Known {
    pub(super) info: ServerInfo,
    pub(super) catalogue: Catalogue,
    /// Whether somebody was told that it is lost.
    told: bool,
}

/// Why a conversation was over.
enum End {
    Stopped,
    Restarted,
    Lost(String),
}

impl Server {
    pub(super) fn new(name: ServerName, config: ServerConfig, shared: Arc<Shared>) -> Self {
        let info = ServerInfo {
            name: name.to_string(),
            transport: if config.url.is_some() { "http" } else { "stdio" },
            state: if config.enabled { State::Connecting } else { State::Disabled },
            since: shared.clock.now(),
            connections: 0,
            last_error: None,
            says_it_is: None,
            protocol_version: None,
            tools: Vec::new(),
        };
        let known = Mutex::new(Known { info, catalogue: Catalogue::default(), told: false });
        Self {
            name,
            config,
            shared,
            known,
            restart: Notify::new(),
            looking: Notify::new(),
            wanted: AtomicU64::new(0),
            looked: watch::Sender::new(0),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the conversation until it is told to stop. What goes wrong is told and tried again; nothing of it is an error of the
    /// loop, so that a sick server is no sick daemon.
    pub(super) async fn run(&self, stop: CancellationToken) {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let end = self.converse(&stop).await;
            // Before anything else: what cannot be called is not offered.
            let _ = self.shared.registry.replace(&self.source(), Vec::new());
            if began.elapsed() >= HEALTHY_AFTER {
                failures = 0;
            }
            match end {
                End::Stopped => break,
                End::Restarted => failures = 0,
                End::Lost(reason) => {
                    self.lost(reason).await;
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = self.restart.notified() => failures = 0,
                        () = sleep(wait(failures)) => failures = failures.saturating_add(1),
                    }
                }
            }
        }
        self.enter(State::Stopped);
    }

    pub(super) fn cut_off(&self) {
        // Taking a source away is always possible.
        let _ = self.shared.registry.replace(&self.source(), Vec::new());
        self.enter(State::Stopped);
    }

    /// Has the tools looked at, and waits until that is done; not for a server that is not there.
    pub(super) async fn look_again(&self) {
        let mut looked = self.looked.subscribe();
        let wanted = self.wanted.fetch_add(1, Ordering::SeqCst) + 1;
        self.looking.notify_one();
        if self.known().info.state == State::Connected {
            // It is done some time in any case; what is waited for is only that it is seen to be.
            let _ = timeout(LOOK_PATIENCE, looked.wait_for(|looked| *looked >= wanted)).await;
        }
    }

    /// The same, without waiting.
    pub(super) fn look_later(&self) {
        self.looking.notify_one();
    }

    async fn converse(&self, stop: &CancellationToken) -> End {
        self.enter(State::Connecting);
        let (link, mut calls) = Link::new();
        let listener = Listener { link: link.clone() };
        let opening = async {
            let mut connection = Connection::open(&self.name, &self.config, &self.shared.host, listener).await?;
            let peer = connection.peer().clone();
            // A program is heard only while somebody waits for its end.
            tokio::select! {
                looked = self.look(&peer, &link) => looked?,
                reason = connection.over() => return Err(reason),
            }
            Ok::<_, String>(connection)
        };
        let opened = tokio::select! {
            () = stop.cancelled() => return End::Stopped,
            () = self.restart.notified() => return End::Restarted,
            opened = timeout(self.config.connect_timeout(), opening) => opened,
        };
        let mut connection = match opened {
            Ok(Ok(connection)) => connection,
            Ok(Err(reason)) => return End::Lost(reason),
            Err(_) => return End::Lost(format!("it was not ready within {} ms", self.config.connect_timeout_ms)),
        };
        self.connected(connection.peer()).await;
        let peer = connection.peer().clone();
        let end = tokio::select! {
            () = stop.cancelled() => End::Stopped,
            () = self.restart.notified() => End::Restarted,
            reason = connection.over() => End::Lost(reason),
            reason = self.follow(&peer, &link) => {
                // How its program ended says more than that nothing comes any more.
                let ended = timeout(LAST_WORDS, connection.over()).await;
                End::Lost(ended.unwrap_or(reason))
            }
            () = link.clean_up(&peer, &mut calls) => End::Stopped,
        };
        connection.close().await;
        end
    }

    /// Keeps the list of tools up to date; ends with what is wrong.
    async fn follow(&self, peer: &Peer<RoleClient>, link: &Link) -> String {
        let mut ticks = interval(LIST_EVERY);
        ticks.tick().await;
        loop {
            let is_suspect = tokio::select! {
                () = link.suspect.notified() => true,
                () = link.changed.notified() => false,
                () = self.looking.notified() => false,
                _ = ticks.tick() => false,
            };
            match timeout(self.config.connect_timeout(), self.look(peer, link)).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return reason,
                Err(_) if is_suspect => return "it answers no more".to_owned(),
                // Some do one thing at a time: it may be busy with a call.
                Err(_) => {
                    tracing::warn!(server = %self.name, "an MCP server does not answer for the list of its tools")
                }
            }
            sleep(LIST_PAUSE).await;
        }
    }

    /// Lists the tools, and offers those that may be called.
    async fn look(&self, peer: &Peer<RoleClient>, link: &Link) -> Result<(), String> {
        let wanted = self.wanted.load(Ordering::SeqCst);
        let has_tools = peer.peer_info().is_some_and(|info| info.capabilities.tools.is_some());
        let listed = if has_tools { list(peer, self.config.tools_max).await? } else { Vec::new() };
        let known = self.shared.store.of(self.name.as_str()).await.map_err(|error| self.unstored(&error))?;
        let mut catalogue = Catalogue::of(&self.name, &self.config, &listed, known);
        let remembered = self.remember(&mut catalogue).await;
        remembered.map_err(|error| self.unstored(&error))?;
        self.offer(&mut catalogue, peer, link);
        {
            let mut known = self.known();
            known.info.tools.clone_from(&catalogue.tools);
            known.catalogue = catalogue;
        }
        self.looked.send_replace(wanted);
        Ok(())
    }

    async fn remember(&self, catalogue: &mut Catalogue) -> Result<(), Error> {
        let (store, server) = (&self.shared.store, self.name.as_str());
        let first = std::mem::take(&mut catalogue.first);
        if !first.is_empty() {
            store.insert(server, first).await?;
        }
        for Seen { tool, name, from, to, pinned } in std::mem::take(&mut catalogue.seen) {
            let pinned = pinned.map(|digest| digest.to_string());
            let payload = json!({
                "server": server, "tool": tool, "name": name, "digest": to.to_string(), "pinnedDigest": pinned,
            });
            if store.saw(server, &tool, from, to, self.event("mcp.tool.changed", payload)).await? {
                tracing::warn!(server, tool, "a tool of an MCP server is another one than before");
            }
        }
        Ok(())
    }

    /// One that the registry does not take is left out, and the others are offered.
    fn offer(&self, catalogue: &mut Catalogue, peer: &Peer<RoleClient>, link: &Link) {
        loop {
            let tool = |usable: &super::catalogue::Usable| -> Arc<dyn Tool> {
                let spec = usable.definition.spec(usable.name.clone(), self.config.trust_hints, self.config.timeout_ms);
                Arc::new(RemoteTool {
                    spec: Arc::new(spec),
                    server: self.name.clone(),
                    remote: usable.definition.remote.clone(),
                    peer: peer.clone(),
                    link: link.clone(),
                })
            };
            let tools = catalogue.usable.iter().map(tool).collect();
            match self.shared.registry.replace(&self.source(), tools) {
                Ok(()) => return,
                // There is one fewer each time.
                Err(InvalidTool { tool, problem }) => catalogue.refuse(&tool, problem),
            }
        }
    }

    async fn connected(&self, peer: &Peer<RoleClient>) {
        let info = peer.peer_info();
        let said = info.as_ref().and_then(|info| info.server_info.clone());
        let says_it_is = said.map(|said| format!("{} {}", shortened(&said.name), shortened(&said.version)));
        let version = info.map(|info| info.protocol_version.as_str().to_owned());
        let payload = {
            let mut known = self.known();
            known.told = false;
            known.info.connections += 1;
            known.info.says_it_is = says_it_is;
            known.info.protocol_version = version;
            known.info.last_error = None;
            json!({
                "server": self.name, "transport": known.info.transport, "saysItIs": known.info.says_it_is,
                "protocolVersion": known.info.protocol_version, "tools": known.catalogue.usable.len(),
            })
        };
        self.enter(State::Connected);
        tracing::info!(server = %self.name, "connected to an MCP server");
        self.tell("mcp.server.connected", payload).await;
    }

    /// Told once, and not again for each try.
    async fn lost(&self, reason: String) {
        let is_news = {
            let mut known = self.known();
            known.info.last_error = Some(reason.clone());
            !std::mem::replace(&mut known.told, true)
        };
        self.enter(State::Waiting);
        tracing::warn!(server = %self.name, reason, "an MCP server is not there; it is tried again");
        if is_news {
            self.tell("mcp.server.lost", json!({ "server": self.name, "reason": reason })).await;
        }
    }

    fn enter(&self, state: State) {
        let now = self.shared.clock.now();
        let mut known = self.known();
        if known.info.state != state {
            known.info.state = state;
            known.info.since = now;
        }
    }

    /// Something happened by itself; that it cannot be written down changes nothing about it.
    async fn tell(&self, name: &'static str, payload: Value) {
        if let Err(error) = self.shared.store.tell(self.event(name, payload)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, name, "an event could not be written");
        }
    }

    fn event(&self, name: &'static str, payload: Value) -> NewEvent {
        let actor = Actor::system("mcp");
        let subject = Some(self.name.to_string());
        NewEvent { subject, ..NewEvent::new(OrgId::LOCAL, name, self.shared.clock.now(), actor, payload) }
    }

    fn unstored(&self, error: &Error) -> String {
        tracing::error!(server = %self.name, error = error as &dyn std::error::Error, "what is remembered of tools");
        "what is remembered of its tools cannot be read or written".to_owned()
    }

    fn source(&self) -> String {
        format!("mcp.{}", self.name)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Between half of the time and all of it, so that servers that were lost together are not tried together.
fn wait(failures: u32) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(BACKOFF_MAX);
    // Every `RandomState` has other keys.
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    full.div_f64(2.0) + full.div_f64(2.0).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ() {
        for (failures, full) in [(0, 200), (1, 400), (4, 3_200), (9, 60_000), (u32::MAX, 60_000)] {
            let (waited, full) = (wait(failures), Duration::from_millis(full));
            assert!(waited >= full / 2 && waited <= full, "{waited:?} of {full:?}");
        }
        let waits: std::collections::HashSet<_> = (0..50).map(|_| wait(9)).collect();
        assert!(waits.len() > 25);
    }
}
