//! Tools for the files of a workspace. Each path is opened relative to a handle of the workspace's directory: neither `..`, an
//! absolute path nor a symbolic link leads out, also not one that is put there in that moment.

mod edit;
mod list;
mod read;
mod remove;
mod search;
mod walk;
mod workspace;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

pub(crate) use self::workspace::{Job, Workspace};
use crate::{Error, Invocation, Output, Repeat, Spec, Tool};

/// How many calls of these tools work at a time; others wait for their turn.
const CALLS_MAX: usize = 16;

/// Tools for the files of a workspace: `fs.read`, `fs.write`, `fs.edit`, `fs.list`, `fs.search` and `fs.remove`. All work within
/// [`Context::workspace`](crate::Context::workspace), and refuse without one. Of their calls 16 work at a time.
pub fn file_tools() -> Vec<Arc<dyn Tool>> {
    let turns = &Arc::new(Semaphore::new(CALLS_MAX));
    vec![
        FileTool::boxed(turns, read::spec(), read::run),
        FileTool::boxed(turns, write::spec(), write::run),
        FileTool::boxed(turns, edit::spec(), edit::run),
        FileTool::boxed(turns, list::spec(), list::run),
        FileTool::boxed(turns, search::spec(), search::run),
        FileTool::boxed(turns, remove::spec(), remove::run),
    ]
}

/// A tool that is one function, which blocks.
struct FileTool<A> {
    spec: Arc<Spec>,
    turns: Arc<Semaphore>,
    work: fn(&Job, A) -> Result<Output, Error>,
}

impl<A: DeserializeOwned + Send + 'static> FileTool<A> {
    fn boxed(turns: &Arc<Semaphore>, spec: Spec, work: fn(&Job, A) -> Result<Output, Error>) -> Arc<dyn Tool> {
        Arc::new(Self { spec: Arc::new(spec), turns: turns.clone(), work })
    }
}

#[async_trait]
impl<A: DeserializeOwned + Send + 'static> Tool for FileTool<A> {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        let Invocation { arguments, context } = invocation;
        let tool = self.spec.name.clone();
        let arguments = serde_json::from_value(arguments)
            .map_err(|error| Error::Invalid { tool: tool.clone(), problem: error.to_string() })?;
        let turn = self.turns.clone().acquire_owned().await.expect("it is never closed");
        let work = self.work;
        let job = Job { tool: tool.clone(), path: context.workspace, cancel: context.cancel };
        // The turn ends with the work, also when nobody waits for it any more.
        let working = spawn_blocking(move || {
            let _turn = turn;
            work(&job, arguments)
        });
        working.await.unwrap_or_else(|error| Err(Error::Broken { tool, problem: error.to_string() }))
    }
}

fn spec(name: &str, description: &str, repeat: Repeat, properties: Value, required: &[&str]) -> Spec {
    let input = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    let spec = Spec::new(name.parse().expect("it is a name"), description).takes(input).repeats(repeat).in_workspace();
    // Of these, what may be repeated only looks.
    if repeat == Repeat::Harmless { spec.reads() } else { spec }
}

fn path_of(what: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 4096, "description": format!("{what}, relative to the workspace") })
}
