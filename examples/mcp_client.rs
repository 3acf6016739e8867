//! Tools of a server of the Model Context Protocol in a registry: what it offers, and a call. The server is a program that is named, by default the
//! crate's own fake one.
//!
//! `cargo build -p orchestrator-mcp --example fake_server && cargo run -p orchestrator-examples --example mcp_client`

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_mcp::{MemoryStore, Parts, ServerConfig, Servers};
use orchestrator_process::Host;
use orchestrator_tools::{Call, Config, Context, Registry};
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut command: Vec<String> = std::env::args().skip(1).collect();
    if command.is_empty() {
        let own = std::env::current_exe()?;
        let beside = own.parent().context("a program lies in a directory")?.join("fake_server");
        command.push(beside.to_string_lossy().into_owned());
    }
    let (registry, mint) = Registry::new(Config::default());
    let config = ServerConfig { command, ..ServerConfig::default() };
    let servers = Servers::new(Parts {
        servers: BTreeMap::from([("it".parse()?, config)]),
        registry: registry.clone(),
        store: Arc::new(MemoryStore::default()),
        clock: Arc::new(SystemClock),
        host: Host::unconfined("example"),
    })?;
    let (stop, mut changed, mut running) = (CancellationToken::new(), registry.changed(), JoinSet::new());
    for name in servers.enabled() {
        let (servers, stop) = (servers.clone(), stop.clone());
        running.spawn(async move { servers.run(&name, stop).await });
    }
    changed.wait_for(|_| !registry.list().is_empty()).await?;
    for tool in registry.list() {
        println!("{}: {}", tool.name, tool.description);
    }
    let echo = "mcp.it.echo".parse()?;
    if registry.get(&echo).is_some() {
        let context = Context::new(OrgId::LOCAL, Actor::system("example"), "1");
        let call = Call { tool: echo, arguments: json!({ "text": "hello" }), context };
        println!("it says {:?}", registry.call(mint.permit(call)).await?.content);
    }
    stop.cancel();
    while running.join_next().await.is_some() {}
    Ok(())
}
