//! `orchestrator tool …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{plain, text};
use crate::values;

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// Lists the tools of the daemon, and by which line of tools.allow they may be called
    #[command(visible_alias = "ls")]
    List,
    /// Shows a tool with the schema of its arguments
    Get {
        /// Such as fs.read
        tool: String,
    },
    /// Tries a tool, if tools.allow names it
    Call {
        /// Such as fs.read
        tool: String,
        /// Its arguments: JSON, @FILE or -
        #[arg(default_value = "{}")]
        arguments: String,
        /// One of tools.workspaces, for tools that work on files
        #[arg(long, value_name = "NAME")]
        workspace: Option<String>,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: ToolCommand) -> Result<(), Failure> {
    match command {
        ToolCommand::List => list(daemon).await,
        ToolCommand::Get { tool } => {
            let found = daemon.call("tool.describe", json!({ "tool": tool })).await?;
            let told = serde_json::to_string_pretty(&found).unwrap_or_default();
            daemon.out.show(&Answer::told(found, told))
        }
        ToolCommand::Call { tool, arguments, workspace } => {
            let arguments: Value = values::read_json(&arguments)?;
            let params = Params::new().with("tool", tool).with("arguments", arguments).maybe("workspace", workspace);
            let called = daemon.call("tool.call", Value::from(params)).await?;
            let said: Vec<&str> =
                called["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect();
            let told = said.join("\n");
            daemon.out.show(&Answer::told(called, told))
        }
    }
}

async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let found = daemon.call("tool.list", json!({})).await?;
    let tools = found["tools"].as_array().cloned().unwrap_or_default();
    let row = |tool: &Value| {
        let allowed = tool["allowedBy"].as_str().unwrap_or("-").to_owned();
        let does = text(tool, "description").chars().take(80).collect::<String>();
        vec![Cell::new(text(tool, "name")), Cell::new(allowed), Cell::new(plain(&tool["source"])), Cell::new(does)]
    };
    let names = tools.iter().map(|tool| text(tool, "name").to_owned()).collect();
    let answer = Answer::list(&daemon.out, tools, &["TOOL", "ALLOWED BY", "FROM", "WHAT IT DOES"], "no tools", row);
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}
