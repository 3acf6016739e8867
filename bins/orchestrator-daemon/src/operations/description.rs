use std::sync::{Arc, OnceLock};

use orchestrator_rpc::{Call, Error, NoParams, Operation, Scope, Table};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// What `/openapi.json` answers, once the gateway is made: it describes the table that this operation is in.
#[derive(Clone, Default)]
pub(crate) struct Description(Arc<OnceLock<Box<RawValue>>>);

impl Description {
    pub(crate) fn set(&self, document: &RawValue) {
        self.0.get_or_init(|| document.to_owned());
    }
}

/// `rpc.openapi`: the same document for those who have a WebSocket and no HTTP.
pub(super) fn table(description: Description) -> Table {
    let answer = move |_: Call, NoParams {}| {
        let description = description.clone();
        async move { Document::of(description) }
    };
    let summary = "The operations under REST as an OpenAPI 3.1 document";
    Table::new().with(Operation::new("rpc.openapi", Scope::Read, summary, answer).read_only())
}

struct Document(Description);

impl Document {
    fn of(description: Description) -> Result<Self, Error> {
        match description.0.get() {
            Some(_) => Ok(Self(description)),
            None => Err(Error::unavailable("the daemon is starting")),
        }
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.0.get().serialize(serializer)
    }
}

impl JsonSchema for Document {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OpenApiDocument".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "required": ["openapi", "info", "paths"] })
    }
}
