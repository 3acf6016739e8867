use std::sync::{Arc, OnceLock};

use orchestrator_rpc::{Call, Error, NoParams, Operation, Scope, Scopes, Table};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An operation as models are offered it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The tool's name, for example `task_create`: models' interfaces take no dots.
    pub tool: String,
    /// The operation's, for example `task.create`.
    pub operation: String,
    /// One line that says what it does.
    pub summary: String,
    /// It changes nothing.
    pub read_only: bool,
    /// JSON Schema of the parameters, draft 2020-12, of an object.
    pub input_schema: Map<String, Value>,
    /// JSON Schema of the result, if that is an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Map<String, Value>>,
}

/// What `mcp.tools` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Offers {
    /// In the order of their names.
    pub tools: Vec<Offer>,
}

/// The operations that models are offered: those of a table that are marked so. Cheap to clone; all clones share the table, which
/// is [set](Offered::set) once it is complete.
#[derive(Debug, Clone, Default)]
pub struct Offered(Arc<OnceLock<Arc<Table>>>);

impl Offered {
    /// Offers the operations of this table. Only the first one counts.
    pub fn set(&self, table: Arc<Table>) {
        self.0.get_or_init(|| table);
    }

    /// What somebody with these scopes may call. Nothing before the table is set.
    pub fn to(&self, scopes: Scopes) -> Offers {
        let operations = self.0.get().into_iter().flat_map(|table| table.iter());
        let allowed = operations.filter(|operation| operation.is_tool() && scopes.allows(operation.scope()));
        Offers { tools: allowed.map(Offer::of).collect() }
    }

    /// Whether there is an operation of this name, and it is offered, to whomever.
    pub fn has(&self, operation: &str) -> bool {
        self.0.get().and_then(|table| table.get(operation)).is_some_and(Operation::is_tool)
    }
}

impl Offer {
    fn of(operation: &Operation) -> Self {
        let mut input_schema = object(operation.parameters()).unwrap_or_default();
        // The parameters of every operation are an object, also where the schema lists alternatives.
        input_schema.entry("type").or_insert_with(|| "object".into());
        Self {
            tool: tool_name(operation.name()),
            operation: operation.name().to_owned(),
            summary: operation.summary().to_owned(),
            read_only: operation.is_read_only(),
            input_schema,
            output_schema: object(operation.result()).filter(|schema| schema.get("type") == Some(&"object".into())),
        }
    }
}

fn object(schema: &Schema) -> Option<Map<String, Value>> {
    let mut schema = schema.as_value().clone();
    strip_own_formats(&mut schema);
    match schema {
        Value::Object(schema) => Some(schema),
        _ => None,
    }
}

/// `uint32` and its like are nobody else's, and clients warn of each. The bounds beside them say the same.
fn strip_own_formats(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                members.remove("format");
            }
            members.values_mut().for_each(strip_own_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_own_formats),
        _ => {}
    }
}

/// Names of operations are letters, digits and dots, so that nothing is lost.
fn tool_name(operation: &str) -> String {
    operation.replace('.', "_")
}

/// The operation that a tool is, whichever way its name is written.
pub(super) fn operation_name(tool: &str) -> String {
    tool.replace('_', ".")
}

/// The operation `mcp.tools`: what the caller is offered as tools, for whoever speaks the protocol in front of the daemon.
pub fn operations(offered: &Offered) -> Table {
    let offered = offered.clone();
    let list = move |call: Call, NoParams {}| {
        let offers = offered.to(call.caller.scopes);
        async move { Ok::<Offers, Error>(offers) }
    };
    let summary = "Lists the operations that models are offered as tools, of those the caller may call";
    Table::new().with(Operation::new(LIST, Scope::Read, summary, list).read_only())
}

pub(super) const LIST: &str = "mcp.tools";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Params {
        count: u32,
        at: Vec<u8>,
    }

    #[test]
    fn formats_that_only_we_know_are_left_out_and_bounds_are_not() {
        let add = |_: Call, _: Params| async { Ok(1_u64) };
        let offered = Offered::default();
        assert!(offered.to(Scopes::ADMIN).tools.is_empty() && !offered.has("thing.add"), "there is no table yet");
        let table = Table::new()
            .with(Operation::new("thing.add", Scope::Write, "Adds", add).tool())
            .with(Operation::new("thing.hide", Scope::Read, "Hides", |_: Call, NoParams {}| async { Ok(()) }));
        offered.set(Arc::new(table));
        let [offer] = &offered.to(Scope::Write.into()).tools[..] else { panic!("one is offered") };
        let text = serde_json::to_string(offer).unwrap();
        assert!(text.contains("\"maximum\":4294967295") && !text.contains("uint"), "{text}");
        assert_eq!(offer.output_schema, None, "a number is no object");
        assert!(offered.has("thing.add") && !offered.has("thing.hide") && !offered.has("thing.other"));
    }
}
