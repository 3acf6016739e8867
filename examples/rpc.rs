//! A table of two operations, called without any socket in each of the four dialects: text in, text out.

use std::sync::{Arc, Mutex};

use orchestrator_rpc::{
    Call, Caller, Dispatcher, Error, Frame, Incoming, NoParams, Operation, Reply, Scope, Table, envelope, jsonrpc,
    simple, v2,
};
use orchestrator_vocab::{Clock as _, OrgId, SystemClock};
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

/// How a dialect is read and written.
struct Codec {
    decode: fn(&[u8]) -> Frame,
    encode: fn(&Reply) -> String,
}

const JSON_RPC: Codec = Codec { decode: jsonrpc::decode, encode: jsonrpc::encode_reply };
const V2: Codec = Codec { decode: v2::decode, encode: v2::encode_reply };
const SIMPLE: Codec = Codec { decode: simple::decode, encode: simple::encode_reply };
const ENVELOPE: Codec =
    Codec { decode: envelope::decode, encode: |reply| envelope::encode_reply(reply, SystemClock.now()) };

async fn answer(dispatcher: &Dispatcher, scope: Scope, codec: &Codec, text: &str) -> Option<String> {
    let message = match (codec.decode)(text.as_bytes()) {
        Frame::Single(Incoming::Message(message)) => message,
        Frame::Single(Incoming::Refused(reply)) => return Some((codec.encode)(&reply)),
        Frame::Batch(_) => return None, // a server answers each; see the gateway
    };
    let call = Call::new(Caller::new(OrgId::LOCAL, "alice", scope), "example");
    let outcome = dispatcher.dispatch(call, &message.method, message.params.as_deref()).await;
    Some((codec.encode)(&Reply { id: message.id?, outcome }))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let table = operations(&Notes::default()).with_discovery(Arc::new(SystemClock));
    for operation in table.iter() {
        let route = operation.rest().map(|rest| format!("{} {}", rest.method, rest.path)).unwrap_or_default();
        println!("{:14} {:14} {route}", operation.name(), operation.scope());
    }
    let dispatcher = Dispatcher::new(table)?;

    let add = r#"{"jsonrpc":"2.0","id":1,"method":"note.add","params":{"text":"water the plants","priority":"high"}}"#;
    let typo = r#"{"jsonrpc":"2.0","id":2,"method":"note.add","params":{"text":"feed the cat","priority":"hgh"}}"#;
    let twice = r#"{"jsonrpc":"2.0","id":3,"method":"note.add","params":{"text":"a","text":"b"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":"last","method":"note.list"}"#;
    let enveloped = r#"{"type":"call","id":"01890a5d-ac96-774b-bcce-b302099a8057","timestamp":"2026-01-31T12:00:00Z","payload":{"method":"note.list"}}"#;
    let calls = [
        (Scope::Write, &JSON_RPC, add),
        (Scope::Write, &JSON_RPC, typo),
        (Scope::Write, &JSON_RPC, twice),
        (Scope::Read, &JSON_RPC, add),
        (Scope::Read, &JSON_RPC, list),
        (Scope::Read, &JSON_RPC, "{"),
        (Scope::Read, &ENVELOPE, enveloped),
        (Scope::Read, &V2, r#"{"type":"req","id":"1","method":"note.list"}"#),
        (Scope::Read, &SIMPLE, r#"{"type":"ping"}"#),
    ];
    for (scope, codec, text) in calls {
        println!("\n{scope} > {text}");
        println!("< {}", answer(&dispatcher, scope, codec, text).await.unwrap_or_default());
    }
    Ok(())
}
