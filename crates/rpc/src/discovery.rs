use std::sync::Arc;

use orchestrator_vocab::Clock;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::{Call, Code, Error, NoParams, Operation, Scope, Table};

/// An operation as `rpc.discover` lists it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    scope: Scope,
    summary: String,
    /// It makes something and takes `idempotencyKey`.
    creates: bool,
    /// It changes nothing and may be repeated.
    read_only: bool,
    /// It needs no credential.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    open: bool,
    /// Absent from what means something on a WebSocket only.
    #[serde(skip_serializing_if = "Option::is_none")]
    rest: Option<Route>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Route {
    method: &'static str,
    path: String,
}

#[derive(Serialize, JsonSchema)]
struct Discovered {
    operations: Arc<Vec<Listed>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DescribeParams {
    method: String,
}

/// An operation as `rpc.describe` explains it.
#[derive(Serialize, JsonSchema)]
struct Described {
    #[serde(flatten)]
    listed: Listed,
    /// It is offered to models.
    tool: bool,
    /// The codes that are its own.
    errors: Vec<Code>,
    /// JSON Schema, draft 2020-12.
    parameters: Schema,
    /// JSON Schema, draft 2020-12.
    result: Schema,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PingParams {
    /// Milliseconds since 1970, sent back as they are.
    client_timestamp: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Pong {
    /// Milliseconds since 1970.
    server_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_timestamp: Option<i64>,
}

impl Table {
    /// Adds `health.ping`, `rpc.discover` and `rpc.describe`, which list and explain exactly the operations that are
    /// in the table now and themselves. Call it last: later additions are faults.
    #[must_use]
    pub fn with_discovery(self, clock: Arc<dyn Clock>) -> Self {
        // The two need the finished table, which needs the two: they are listed from stand-ins that never run.
        let listed = self.with(ping(clock)).with(discover(Arc::default())).with(describe(Self::new()));
        let listing = Arc::new(listed.iter().map(Listed::of).collect());
        let answering = |operation: &Operation| match operation.name() {
            DISCOVER => discover(Arc::clone(&listing)),
            DESCRIBE => describe(listed.clone()),
            _ => operation.clone(),
        };
        listed.with_each(answering).close()
    }
}

const DISCOVER: &str = "rpc.discover";
const DESCRIBE: &str = "rpc.describe";

fn ping(clock: Arc<dyn Clock>) -> Operation {
    let pong = move |_: Call, params: PingParams| {
        let server_timestamp = clock.now().0;
        async move { Ok(Pong { server_timestamp, client_timestamp: params.client_timestamp }) }
    };
    Operation::new("health.ping", Scope::Read, "Answers with the server's time", pong).read_only().free()
}

fn discover(operations: Arc<Vec<Listed>>) -> Operation {
    let list = move |_: Call, _: NoParams| {
        let operations = Arc::clone(&operations);
        async move { Ok(Discovered { operations }) }
    };
    Operation::new(DISCOVER, Scope::Read, "Lists the operations", list).read_only()
}

fn describe(table: Table) -> Operation {
    let table = Arc::new(table);
    let explain = move |_: Call, params: DescribeParams| {
        let described = match table.get(&params.method) {
            Some(operation) => Ok(Described::of(operation)),
            None => Err(Error::not_found("no operation of this name").with_field("method")),
        };
        async move { described }
    };
    Operation::new(DESCRIBE, Scope::Read, "Explains one operation: parameters, result and errors", explain)
        .read_only()
        .fails_with([Code::NotFound])
}

impl Listed {
    fn of(operation: &Operation) -> Self {
        Self {
            name: operation.name().to_owned(),
            scope: operation.scope(),
            summary: operation.summary().to_owned(),
            creates: operation.is_creating(),
            read_only: operation.is_read_only(),
            open: operation.is_open(),
            rest: operation.rest().map(|rest| Route { method: rest.method, path: rest.path.clone() }),
        }
    }
}

impl Described {
    fn of(operation: &Operation) -> Self {
        Self {
            listed: Listed::of(operation),
            tool: operation.is_tool(),
            errors: operation.errors().to_vec(),
            parameters: operation.parameters().clone(),
            result: operation.result().clone(),
        }
    }
}
