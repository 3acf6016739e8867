//! An operation as a tool of the Model Context Protocol: a client that may read finds it, one that may not does not.
//!
//! `cargo run -p orchestrator-examples --example mcp`

use std::sync::Arc;

use orchestrator_mcp::{Identity, Offered, OnStack, operations, serve};
use orchestrator_rpc::{Call, Caller, Dispatcher, NoParams, Operation, Scope, Scopes, Table};
use orchestrator_vocab::OrgId;
use rmcp::model::CallToolRequestParams;
use rmcp::serve_client;
use tokio::task::JoinSet;
use tower::util::BoxCloneSyncService;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let count = |call: Call, NoParams {}| async move { Ok(format!("{} has 7 tasks", call.caller.subject)) };
    let offered = Offered::default();
    let table = Table::new()
        .with(Operation::new("task.count", Scope::Read, "Counts the tasks", count).read_only().tool())
        .merge(operations(&offered));
    let dispatcher = Dispatcher::new(table)?;
    offered.set(dispatcher.table().clone());
    // A daemon has rate limits, records and the like in front of the dispatcher.
    let calls = BoxCloneSyncService::new(dispatcher);

    for (subject, scopes) in [("ada", Scopes::from(Scope::Read)), ("bob", Scopes::from(Scope::Approve))] {
        let caller = Caller::new(OrgId::LOCAL, subject, scopes);
        let tools = Arc::new(OnStack::new(offered.clone(), calls.clone()).for_caller(caller));
        let identity = Identity { name: "example".into(), version: "1".into(), instructions: "Counts.".into() };
        let (near, far) = tokio::io::duplex(4096);
        let mut server = JoinSet::new();
        server.spawn(serve(tools, identity, tokio::io::split(far), 1 << 20));

        let client = serve_client((), near).await?;
        let found = client.list_all_tools().await;
        println!("{subject} is offered {:?}", found.map(|tools| tools.into_iter().map(|t| t.name).collect::<Vec<_>>()));
        let answer = client.call_tool(CallToolRequestParams::new("task_count")).await?;
        println!("{subject} is told {:?}", answer.content.first().and_then(|block| block.as_text()).map(|t| &t.text));
        client.cancel().await?;
    }
    Ok(())
}
