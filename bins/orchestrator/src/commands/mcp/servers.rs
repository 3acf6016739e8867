use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::show::text;

/// Servers as a table, then each tool that is not simply used, with what is to be decided about it.
pub(super) async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let found = daemon.call("mcp.list", json!({})).await?;
    let servers = found["servers"].as_array().cloned().unwrap_or_default();
    let names = servers.iter().map(|server| text(server, "name").to_owned()).collect();
    let rows = servers.iter().flat_map(rows).collect();
    let heads = ["SERVER", "STATE", "TOOL", "DIGEST", "ABOUT"];
    let row = |row: &Value| heads.iter().map(|head| Cell::new(text(row, head))).collect();
    let answer = Answer::list(&daemon.out, rows, &heads, "no servers", row);
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}

fn rows(server: &Value) -> Vec<Value> {
    let tools: Vec<&Value> = server["tools"].as_array().into_iter().flatten().collect();
    let used = tools.iter().filter(|tool| tool["state"] == "pinned").count();
    let about = match server["lastError"].as_str() {
        Some(error) => error.to_owned(),
        None => format!("{used} of {} tools", tools.len()),
    };
    let name = &server["name"];
    let mut rows = vec![json!({ "SERVER": name, "STATE": server["state"], "TOOL": "", "DIGEST": "", "ABOUT": about })];
    let open = tools.iter().filter(|tool| ["new", "changed", "unusable"].contains(&text(tool, "state")));
    rows.extend(open.map(|tool| {
        let changed: Vec<&str> = tool["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let about = tool["problem"].as_str().map_or_else(|| changed.join(", "), str::to_owned);
        let digest = text(tool, "digest");
        json!({ "SERVER": name, "STATE": tool["state"], "TOOL": tool["tool"], "DIGEST": digest, "ABOUT": about })
    }));
    rows
}

pub(super) async fn confirm(daemon: &Daemon, server: &str, tool: &str, digest: &str) -> Result<(), Failure> {
    let params = json!({ "server": server, "tool": tool, "digest": digest });
    let answer = daemon.call("mcp.confirm", params).await?;
    daemon.out.show(&Answer::told(answer, format!("{tool} of {server} is confirmed")))
}

pub(super) async fn restart(daemon: &Daemon, server: &str) -> Result<(), Failure> {
    let answer = daemon.call("mcp.restart", json!({ "server": server })).await?;
    daemon.out.show(&Answer::told(answer, format!("{server} is started again")))
}
