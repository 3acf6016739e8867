//! The operations `memory.*`.

mod exporting;
mod importing;
mod keeping;
mod notes;
mod reading;
mod writing;

use std::future::Future;

use orchestrator_rpc::{Call, Code, Error as Refused, Operation, Scope as Right, Table};
use orchestrator_vocab::{SessionId, TaskId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Filter, Memories, Memory, MemoryId, Scope};

/// Where an agent is that calls: whoever lets it call operations puts this into the extensions of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// The session it works in, if it is in one.
    pub session: Option<SessionId>,
    /// The task it works on.
    pub task: Option<TaskId>,
    /// The subject of whoever wants that done, if it is a person.
    pub user: Option<String>,
}

/// The operations `memory.query`, `store`, `get`, `list`, `stats`, `verify`, `confirm`, `delete`, `erase`, `export`, `import`, and
/// `insert`, `replace` and `rethink` of a scratchpad.
pub fn operations(memories: &Memories) -> Table {
    let unknown = [Code::NotFound];
    let changed = [Code::NotFound, Code::Conflict];
    let query =
        operation(memories, "memory.query", Right::Read, "Finds memories that answer a question", reading::query);
    let get = operation(memories, "memory.get", Right::Read, "A memory with where it comes from", reading::get);
    let list = operation(memories, "memory.list", Right::Read, "Lists memories, the latest first", reading::list);
    let stats = operation(memories, "memory.stats", Right::Read, "Tells how much is remembered", reading::stats);
    let store = operation(memories, "memory.store", Right::Write, "Remembers something", writing::store);
    let delete = operation(memories, "memory.delete", Right::Write, "Forgets a memory for good", writing::delete);
    let confirm =
        operation(memories, "memory.confirm", Right::Approve, "Vouches for what is quarantined", writing::confirm);
    let erase = operation(
        memories,
        "memory.erase",
        Right::Admin,
        "Forgets a person, a topic, a session or everything, in every form and wherever texts are kept",
        keeping::erase,
    );
    let verify = operation(
        memories,
        "memory.verify",
        Right::Read,
        "Looks whether everything that was summed up can still be found",
        keeping::verify,
    );
    let export = operation(memories, "memory.export", Right::Read, "Writes memories as Markdown", exporting::export);
    let import = operation(
        memories,
        "memory.import",
        Right::Write,
        "Reads memories from Markdown: tells what is different, and remembers it if asked to",
        importing::import,
    );
    let insert = operation(memories, "memory.insert", Right::Write, "Adds to a block of a scratchpad", notes::insert);
    let replace =
        operation(memories, "memory.replace", Right::Write, "Replaces a passage in a scratchpad", notes::replace);
    let rethink =
        operation(memories, "memory.rethink", Right::Write, "Writes a block of a scratchpad anew", notes::rethink);
    Table::new()
        .with(query.read_only().tool())
        .with(get.read_only().tool().fails_with(unknown))
        .with(list.read_only().tool())
        .with(stats.read_only())
        .with(verify.read_only())
        .with(store.creates().tool().fails_with(changed))
        .with(delete.fails_with(unknown))
        .with(confirm.fails_with(changed))
        .with(erase)
        .with(export.read_only())
        .with(import.tool().fails_with(changed))
        .with(insert.tool().fails_with([Code::Conflict]))
        .with(replace.tool().fails_with([Code::Conflict]))
        .with(rethink.tool().fails_with([Code::Conflict]))
}

fn operation<P, R, F>(
    memories: &Memories,
    name: &'static str,
    scope: Right,
    summary: &'static str,
    handler: impl Fn(Memories, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Refused>> + Send + 'static,
{
    let memories = memories.clone();
    Operation::new(name, scope, summary, move |call, params| handler(memories.clone(), call, params))
}

/// Names one memory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MemoryParams {
    /// The memory.
    memory_id: MemoryId,
}

/// What a caller may see: an agent what is everybody's, its own, and of whom it works for; a person no other person's; an
/// administrator all.
fn visible(call: &Call, filter: Filter) -> Filter {
    match &call.acting {
        Some(acting) => {
            let user = call.extensions.get::<Here>().and_then(|here| here.user.clone());
            let own = [Scope::Organisation, Scope::Agent(acting.agent.clone())];
            let allowed: Vec<Scope> = own.into_iter().chain(user.map(Scope::User)).collect();
            let asked = filter.scopes.unwrap_or_else(|| allowed.clone());
            Filter { scopes: Some(asked.into_iter().filter(|scope| allowed.contains(scope)).collect()), ..filter }
        }
        None if call.caller.scopes.allows(Right::Admin) => filter,
        None => Filter { only_user: Some(call.caller.subject.clone()), ..filter },
    }
}

/// One that the caller may see.
async fn seen(memories: &Memories, call: &Call, id: MemoryId) -> Result<Memory, Refused> {
    let memory = memories.get(call.org(), id).await?;
    if sees(call)(&memory) { Ok(memory) } else { Err(Error::NotFound(id).into()) }
}

/// Whether the caller may see a memory.
fn sees(call: &Call) -> impl Fn(&Memory) -> bool + Sync + use<> {
    let filter = visible(call, Filter::default());
    move |memory| {
        let is_private = matches!((&memory.scope, &filter.only_user), (Scope::User(user), Some(only)) if user != only);
        let is_hidden = filter.scopes.as_ref().is_some_and(|scopes| !scopes.contains(&memory.scope));
        !is_private && !is_hidden
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::NotFound(_) => Self::not_found(told),
            Error::Conflict { .. } => Self::conflict(told),
            Error::Full { tier, used, limit, wanted } => Self::budget_exhausted(told).with_data(serde_json::json!({
                "tier": tier, "bytes": used, "bytesMax": limit, "wantedBytes": wanted,
            })),
            Error::Store(source) => Self::internal(source),
        }
    }
}
