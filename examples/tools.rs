//! Tools for files and commands, and an allow-list of our own that judges each call before it is made.
//!
//! `cargo run -p orchestrator-examples --example tools`

use std::path::Path;

use orchestrator_process::{Host, Sandbox};
use orchestrator_tools::{
    Call, CommandConfig, Config, Context, Mint, Output, Permit, Registry, command_tools, file_tools,
};
use orchestrator_vocab::{Actor, OrgId};
use serde_json::{Value, json};

const ALLOWED: [&str; 5] = ["fs.write", "fs.edit", "fs.read", "fs.search", "command.run"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let workspace = tempfile::tempdir()?;
    let (registry, mint) = Registry::new(Config::default());
    let mut tools = file_tools();
    tools.extend(command_tools(CommandConfig::default(), Sandbox::off(), Host::unconfined("tools-example")));
    registry.replace("builtin", tools)?;

    let calls = [
        ("fs.write", json!({ "path": "src/main.rs", "content": "fn main() {\n    println!(\"helo\");\n}\n" })),
        ("fs.edit", json!({ "path": "src/main.rs", "old": "helo", "new": "hello" })),
        ("fs.search", json!({ "pattern": "hel+o", "glob": "*.rs" })),
        ("fs.remove", json!({ "path": "src/main.rs" })),
        ("fs.read", json!({ "path": "../../etc/passwd" })),
        ("command.run", json!({ "argv": ["wc", "-l", "src/main.rs"] })),
    ];
    for (key, (tool, arguments)) in calls.into_iter().enumerate() {
        let said = match judged(&mint, call(workspace.path(), tool, arguments, key)?) {
            Some(permit) => {
                registry.call(permit).await.map_or_else(|error| format!("{error} ({})", error.kind()), told)
            }
            None => "not on the list".to_owned(),
        };
        println!("{tool}: {said}");
    }
    Ok(())
}

/// Without a permit there is no call.
fn judged(mint: &Mint, call: Call) -> Option<Permit> {
    ALLOWED.contains(&call.tool.as_str()).then(|| mint.permit(call))
}

fn call(workspace: &Path, tool: &str, arguments: Value, key: usize) -> anyhow::Result<Call> {
    let mut context = Context::new(OrgId::LOCAL, Actor::User("ada".to_owned()), key.to_string());
    context.workspace = Some(workspace.to_owned());
    Ok(Call { tool: tool.parse()?, arguments, context })
}

fn told(output: Output) -> String {
    let text = |part: &_| match part {
        orchestrator_transcript::ToolResultPart::Text { text } => text.clone(),
        other => format!("{other:?}"),
    };
    output.content.iter().map(text).collect()
}
