//! `orchestrator call`, `orchestrator methods` and `orchestrator openapi`: every operation, also those without a command of their own.

use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::text;
use crate::values;

#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// The operation, for example task.list; `orchestrator methods` lists them
    method: String,
    /// Its parameters: a JSON object, @FILE or -
    #[arg(value_name = "JSON", default_value = "{}")]
    params: String,
}

pub(crate) async fn run(daemon: &Daemon, args: &CallArgs) -> Result<(), Failure> {
    let params = values::read_json(&args.params)?;
    let answer = daemon.call_raw(&args.method, &params).await?;
    // Numbers and the order of fields stay as the daemon wrote them.
    if daemon.out.is_json() {
        return daemon.out.line(answer.get());
    }
    let answer: Value = serde_json::from_str(answer.get()).map_err(|error| Failure::failed(error.to_string()))?;
    daemon.out.line(&format!("{answer:#}"))
}

pub(crate) async fn methods(daemon: &Daemon, method: Option<String>) -> Result<(), Failure> {
    let Some(method) = method else { return list(daemon).await };
    let described = daemon.call("rpc.describe", Params::new().with("method", method)).await?;
    let route = match described.get("rest") {
        Some(rest) => format!("{} {}", text(rest, "method"), text(rest, "path")),
        None => "on a WebSocket only".to_owned(),
    };
    let said = format!(
        "{}: {}\nscope {}, {route}\n\nparameters:\n{:#}\n\nresult:\n{:#}",
        text(&described, "name"),
        text(&described, "summary"),
        text(&described, "scope"),
        described["parameters"],
        described["result"],
    );
    daemon.out.show(&Answer::told(described, said))
}

/// The document as the daemon wrote it, for a generator of clients.
pub(crate) async fn openapi(daemon: &Daemon) -> Result<(), Failure> {
    let document = daemon.call_raw("rpc.openapi", &values::read_json("{}")?).await?;
    daemon.out.line(document.get())
}

async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let found = daemon.call("rpc.discover", json!({})).await?;
    let operations = found["operations"].as_array().cloned().unwrap_or_default();
    let names = operations.iter().map(|operation| text(operation, "name").to_owned()).collect();
    let row = |operation: &Value| {
        vec![
            Cell::new(text(operation, "name")),
            Cell::new(text(operation, "scope")),
            Cell::new(text(operation, "summary")),
        ]
    };
    let answer = Answer::list(&daemon.out, operations, &["METHOD", "SCOPE", "WHAT IT DOES"], "none", row);
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}
