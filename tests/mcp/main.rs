//! The Model Context Protocol: the daemon's operations as tools, to clients over HTTP and of the command line, and other servers' tools for its
//! agents.

mod everything;
mod http;
mod servers;
mod session;
mod stdio;

use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::{ClientLifecycleMode, RoleClient};
use serde_json::Value;

/// A client of the protocol that is connected.
type Peer = RunningService<RoleClient, ()>;

/// With a handshake, as up to 2025-11-25, and without one, as from 2026-07-28 on.
fn ages() -> [ClientLifecycleMode; 2] {
    let newest = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    [ClientLifecycleMode::Initialize, newest]
}

async fn names(peer: &Peer) -> anyhow::Result<Vec<String>> {
    Ok(peer.list_all_tools().await?.into_iter().map(|tool| tool.name.into_owned()).collect())
}

async fn call(peer: &Peer, tool: &'static str, arguments: Value) -> anyhow::Result<CallToolResult> {
    let Value::Object(arguments) = arguments else { anyhow::bail!("arguments are an object") };
    Ok(peer.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?)
}

/// What a tool says went wrong.
fn failure(result: &CallToolResult) -> Value {
    assert_eq!(result.is_error, Some(true), "{result:?}");
    let text = result.content.first().and_then(|content| content.as_text()).expect("a text");
    serde_json::from_str(&text.text).expect("JSON")
}
