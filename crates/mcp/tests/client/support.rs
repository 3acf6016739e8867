use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_mcp::{MemoryStore, Parts, ServerInfo, Servers};
use orchestrator_process::Host;
use orchestrator_tools::{Call, Config, Context, Error, Mint, Output, Registry};
use orchestrator_transcript::ToolResultPart;
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One server called `s`, kept as a daemon keeps it.
pub(crate) struct Stage {
    pub(crate) servers: Servers,
    pub(crate) registry: Registry,
    pub(crate) store: Arc<MemoryStore>,
    mint: Mint,
    stop: CancellationToken,
    kept: JoinSet<()>,
}

impl Stage {
    pub(crate) fn new(config: Value) -> Self {
        Self::with(config, Arc::default())
    }

    pub(crate) fn with(config: Value, store: Arc<MemoryStore>) -> Self {
        let (registry, mint) = Registry::new(Config::default());
        let config = BTreeMap::from([("s".parse().unwrap(), serde_json::from_value(config).unwrap())]);
        let parts = Parts {
            servers: config,
            registry: registry.clone(),
            store: store.clone(),
            clock: Arc::new(SystemClock),
            host: Host::unconfined("test"),
        };
        let servers = Servers::new(parts).unwrap();
        let (stop, mut kept) = (CancellationToken::new(), JoinSet::new());
        for name in servers.enabled() {
            let (servers, stop) = (servers.clone(), stop.clone());
            kept.spawn(async move { servers.run(&name, stop).await });
        }
        Self { servers, registry, store, mint, stop, kept }
    }

    /// Until the registry is as it should be.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changed = self.registry.changed();
        let waiting = async {
            while !holds(self) {
                // What is known of a server follows at once; it is looked at again though.
                let _ = timeout(Duration::from_millis(20), changed.changed()).await;
            }
        };
        assert!(timeout(PATIENCE, waiting).await.is_ok(), "it never came to it: {:?}", self.servers.list());
    }

    pub(crate) async fn ready(self) -> Self {
        self.until(|stage| stage.has("mcp.s.echo")).await;
        self
    }

    pub(crate) fn has(&self, tool: &str) -> bool {
        self.registry.get(&tool.parse().unwrap()).is_some()
    }

    pub(crate) fn info(&self) -> ServerInfo {
        self.servers.list().pop().unwrap()
    }

    pub(crate) fn tool(&self, name: &str) -> Value {
        let info = serde_json::to_value(self.info()).unwrap();
        info["tools"].as_array().unwrap().iter().find(|tool| tool["tool"] == name).unwrap().clone()
    }

    pub(crate) fn context() -> Context {
        Context::new(OrgId::LOCAL, Actor::system("test"), "key")
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Output, Error> {
        self.call_in(tool, arguments, Self::context()).await
    }

    pub(crate) async fn call_in(&self, tool: &str, arguments: Value, context: Context) -> Result<Output, Error> {
        let call = Call { tool: format!("mcp.s.{tool}").parse().unwrap(), arguments, context };
        timeout(PATIENCE, self.registry.call(self.mint.permit(call))).await.unwrap()
    }

    pub(crate) async fn echo(&self, text: &str) -> String {
        said(&self.call("echo", json!({ "text": text })).await.unwrap())
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.store.take_events().into_iter().map(|event| event.name.into_owned()).collect()
    }

    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let ended = async { while self.kept.join_next().await.is_some() {} };
        assert!(timeout(PATIENCE, ended).await.is_ok(), "it did not end");
    }
}

pub(crate) fn said(output: &Output) -> String {
    match &output.content[..] {
        [ToolResultPart::Text { text }] => text.clone(),
        other => panic!("{other:?}"),
    }
}

/// Beside the tests' programs.
pub(crate) fn fake_server() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(|deps| deps.parent()).unwrap().join("examples/fake_server")
}
