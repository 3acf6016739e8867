//! A table of two operations, called without any socket: JSON-RPC text in, JSON-RPC text out.

use std::sync::{Arc, Mutex};

use orchestrator_rpc::{
    Call, Caller, Dispatcher, Error, Frame, Incoming, NoParams, Operation, Reply, Scope, Table, jsonrpc,
};
use orchestrator_vocab::{OrgId, SystemClock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AddParams {
    text: String,
    #[serde(default)]
    priority: Priority,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Priority {
    High,
    #[default]
    Low,
}

#[derive(Clone, Serialize, JsonSchema)]
struct Note {
    text: String,
    priority: Priority,
}

type Notes = Arc<Mutex<Vec<Note>>>;

fn operations(notes: &Notes) -> Table {
    let (for_add, for_list) = (Arc::clone(notes), Arc::clone(notes));
    let add = move |_: Call, params: AddParams| {
        let notes = Arc::clone(&for_add);
        async move {
            let note = Note { text: params.text, priority: params.priority };
            let mut notes = notes.lock().map_err(|_| Error::unavailable("the notes are lost"))?;
            notes.push(note.clone());
            Ok(note)
        }
    };
    let list = move |_: Call, _: NoParams| {
        let notes = Arc::clone(&for_list);
        async move { notes.lock().map(|notes| notes.clone()).map_err(|_| Error::unavailable("the notes are lost")) }
    };
    Table::new()
        .with(Operation::new("note.add", Scope::Write, "Keeps a note", add).tool())
        .with(Operation::new("note.list", Scope::Read, "Shows the notes", list).read_only())
}

async fn answer(dispatcher: &Dispatcher, scope: Scope, text: &str) -> Option<String> {
    let message = match jsonrpc::decode(text.as_bytes()) {
        Frame::Single(Incoming::Message(message)) => message,
        Frame::Single(Incoming::Refused(reply)) => return Some(jsonrpc::encode_reply(&reply)),
        Frame::Batch(_) => return None, // a server answers each; see the gateway
    };
    let call = Call::new(Caller::new(OrgId::LOCAL, "alice", scope), "example");
    let outcome = dispatcher.dispatch(call, &message.method, message.params.as_deref()).await;
    Some(jsonrpc::encode_reply(&Reply { id: message.id?, outcome }))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let table = operations(&Notes::default()).with_discovery(Arc::new(SystemClock));
    for operation in table.iter() {
        println!(
            "{:14} {:14} {} {}",
            operation.name(),
            operation.scope(),
            operation.rest().method,
            operation.rest().path
        );
    }
    let dispatcher = Dispatcher::new(table)?;

    let add = r#"{"jsonrpc":"2.0","id":1,"method":"note.add","params":{"text":"water the plants","priority":"high"}}"#;
    let typo = r#"{"jsonrpc":"2.0","id":2,"method":"note.add","params":{"text":"feed the cat","priority":"hgh"}}"#;
    let twice = r#"{"jsonrpc":"2.0","id":3,"method":"note.add","params":{"text":"a","text":"b"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":"last","method":"note.list"}"#;
    let calls = [
        (Scope::Write, add),
        (Scope::Write, typo),
        (Scope::Write, twice),
        (Scope::Read, add),
        (Scope::Read, list),
        (Scope::Read, "{"),
    ];
    for (scope, text) in calls {
        println!("\n{scope} > {text}");
        println!("< {}", answer(&dispatcher, scope, text).await.unwrap_or_default());
    }
    Ok(())
}
