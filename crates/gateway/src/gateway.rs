use std::sync::{Arc, PoisonError, RwLock};

use orchestrator_events::Windows;
use orchestrator_rpc::{Authenticator, Table, openapi};
use orchestrator_vocab::{Clock, SystemClock};
use schemars::Schema;
use serde_json::value::{RawValue, to_raw_value};

use crate::shared::{AnyPage, NamedMount, NamedPage, Phase, Server, Shared};
use crate::{
    AlwaysReady, CallService, Config, Counters, Error, Limits, Mount, OpenPage, Page, Peers, Readiness, Tls, Unlimited,
};

/// The server side of an operation table. Cheap to clone; all clones are one gateway.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    pub(crate) routers: crate::http::Routers,
    /// What the next connection is served with, once that is something else.
    next: Arc<RwLock<Option<Next>>>,
}

#[derive(Clone)]
struct Next {
    shared: Arc<Shared>,
    routers: crate::http::Routers,
}

/// A configuration that can be put in force; see [`Gateway::prepare`].
#[must_use = "nothing changes before it is applied"]
pub struct Prepared {
    slot: Arc<RwLock<Option<Next>>>,
    next: Next,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("config", &self.next.shared.config).finish_non_exhaustive()
    }
}

impl Prepared {
    /// From now on connections are accepted under it. Those that are open keep the limits and origins they began with.
    pub fn apply(self) {
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = Some(self.next);
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway to `table` (whose operations get REST routes), where each call goes through `calls` and each caller is
    /// found by `authenticator`. Nothing starts before [`Gateway::serve`](Self::serve).
    pub fn builder(table: Arc<Table>, calls: CallService, authenticator: Arc<dyn Authenticator>) -> Builder {
        Builder {
            config: Config::default(),
            table,
            calls,
            authenticator,
            limits: Arc::new(Unlimited),
            readiness: Arc::new(AlwaysReady),
            clock: Arc::new(SystemClock),
            pages: Vec::new(),
            mounts: Vec::new(),
            tls: None,
            server: Server { name: "orchestrator".into(), version: env!("CARGO_PKG_VERSION").into() },
            events: Vec::new(),
            peers: Peers::default(),
            windows: None,
        }
    }

    /// Answers 503 to `/readyz` from now on, while everything else goes on: lets load balancers turn away before
    /// the stop. A stop implies it.
    pub fn begin_drain(&self) {
        self.shared.phase.draining.cancel();
    }

    /// Checks another configuration, for connections that come after it is [applied](Prepared::apply).
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the field; the old configuration stays.
    pub fn prepare(&self, config: Config) -> Result<Prepared, Error> {
        config.validate()?;
        let shared = Arc::new(Shared { config, ..Shared::clone(&self.shared) });
        let routers = crate::http::routers(&shared)?;
        Ok(Prepared { slot: self.next.clone(), next: Next { shared, routers } })
    }

    /// As the next connection sees it.
    pub(crate) fn current(&self) -> Self {
        match self.next.read().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(Next { shared, routers }) => Self { shared, routers, next: self.next.clone() },
            None => self.clone(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    /// What `/openapi.json` answers: the operations with routes under REST, and the pages.
    pub fn openapi(&self) -> &RawValue {
        &self.shared.openapi
    }

    /// The windows it was given, for whoever runs them.
    pub fn windows(&self) -> Option<&Windows> {
        self.shared.windows.as_ref()
    }

    /// Loads the certificate again, without waiting for the next look at its files.
    ///
    /// # Errors
    /// The files cannot be used; the certificate in use stays.
    pub fn reload_tls(&self) -> Result<(), Error> {
        self.shared.tls.as_deref().map_or(Ok(()), Tls::reload)
    }
}

/// Collects what a [`Gateway`] needs.
pub struct Builder {
    config: Config,
    table: Arc<Table>,
    calls: CallService,
    authenticator: Arc<dyn Authenticator>,
    limits: Arc<dyn Limits>,
    readiness: Arc<dyn Readiness>,
    clock: Arc<dyn Clock>,
    pages: Vec<NamedPage>,
    mounts: Vec<NamedMount>,
    tls: Option<Tls>,
    server: Server,
    events: Vec<&'static str>,
    peers: Peers,
    windows: Option<Windows>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Builder {
    /// Bounds and timeouts. Default [`Config::default`].
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Limits per address for what is not authenticated. Default [`Unlimited`].
    #[must_use]
    pub fn limits(mut self, limits: Arc<dyn Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// Says whether the daemon can work. Default [`AlwaysReady`].
    #[must_use]
    pub fn readiness(mut self, readiness: Arc<dyn Readiness>) -> Self {
        self.readiness = readiness;
        self
    }

    /// Judges when credentials expire. Default [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Serves a page at `path` to callers with `daemon.read`, for example `/status` or `/metrics`.
    #[must_use]
    pub fn page(self, path: impl Into<String>, content_type: &'static str, page: Page) -> Self {
        self.add_page(path.into(), content_type, AnyPage::Reader(page))
    }

    /// Serves a page at `path` to everybody: for a second gateway on a listener that only this machine reaches.
    #[must_use]
    pub fn open_page(self, path: impl Into<String>, content_type: &'static str, page: OpenPage) -> Self {
        self.add_page(path.into(), content_type, AnyPage::Open(page))
    }

    /// Speaks another protocol at `path`, by GET, POST and DELETE, with whoever has a credential.
    #[must_use]
    pub fn mount(mut self, path: impl Into<String>, mount: Mount) -> Self {
        self.mounts.push(NamedMount { path: path.into(), mount });
        self
    }

    fn add_page(mut self, path: String, content_type: &'static str, page: AnyPage) -> Self {
        let summary = format!("The page {path}");
        self.pages.push(NamedPage { path, content_type, summary, schema: None, page });
        self
    }

    /// What `/openapi.json` says about the page at `path`, which was added before. The schema is that of a JSON body.
    #[must_use]
    pub fn describe_page(mut self, path: &str, summary: impl Into<String>, schema: Option<Schema>) -> Self {
        if let Some(page) = self.pages.iter_mut().find(|page| page.path == path) {
            page.summary = summary.into();
            page.schema = schema;
        }
        self
    }

    /// Encrypts all connections.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What the server calls itself towards clients.
    #[must_use]
    pub fn server(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.server = Server { name: name.into(), version: version.into() };
        self
    }

    /// The events that can be subscribed to, beside those of the gateway itself, for clients that ask at the start.
    #[must_use]
    pub fn events(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.events = names.into_iter().collect();
        self
    }

    /// Where the open WebSockets are listed: the same as given to [`operations`](crate::operations).
    #[must_use]
    pub fn peers(mut self, peers: Peers) -> Self {
        self.peers = peers;
        self
    }

    /// Remembers subscriptions of those who go away. Without it there are no resume tokens, and nothing can be acknowledged.
    #[must_use]
    pub fn windows(mut self, windows: Windows) -> Self {
        self.windows = Some(windows);
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The configuration, the table or a page is wrong; the message says which.
    pub fn build(self) -> Result<Gateway, Error> {
        self.config.validate()?;
        self.table.check()?;
        let info = openapi::Info {
            title: &self.server.name,
            version: &self.server.version,
            description: "Operations under /api/v1 and the pages beside them. The same operations answer JSON-RPC 2.0 \
                          at POST /rpc and over a WebSocket at /ws.",
        };
        let document = openapi::document(&info, &self.table, &crate::http::described(&self.pages));
        let openapi = Arc::from(to_raw_value(&document).expect("a value is JSON"));
        let shared = Arc::new(Shared {
            openapi,
            config: self.config,
            table: self.table,
            calls: self.calls,
            authenticator: self.authenticator,
            limits: self.limits,
            readiness: self.readiness,
            clock: self.clock,
            pages: Arc::new(self.pages),
            mounts: Arc::new(self.mounts),
            tls: self.tls.map(Arc::new),
            server: self.server,
            events: self.events,
            peers: self.peers,
            windows: self.windows,
            admission: Arc::default(),
            counters: Arc::default(),
            phase: Phase::default(),
        });
        let routers = crate::http::routers(&shared)?;
        Ok(Gateway { shared, routers, next: Arc::default() })
    }
}
