//! The operation table as an OpenAPI 3.1 document: what REST clients are generated from.
//!
//! ```
//! use std::sync::Arc;
//! use orchestrator_rpc::{Table, openapi};
//! use orchestrator_vocab::SystemClock;
//! let table = Table::new().with_discovery(Arc::new(SystemClock));
//! let info = openapi::Info { title: "example", version: "1.0.0", description: "What can be called." };
//! let document = openapi::document(&info, &table, &[]);
//! assert_eq!(document["paths"]["/api/v1/rpc/describe"]["post"]["operationId"], "rpc.describe");
//! ```
//!
//! Schemas are those of the table; types that several operations share are written once, under `#/components/schemas`.
//! Every refusal that an operation may answer is listed with its status, be it the operation's own
//! ([`Operation::errors`](crate::Operation::errors)) or everybody's.

mod components;
mod links;
mod operations;
mod pages;
mod responses;

use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::{Scope, Table};
use components::Components;

/// The version of the specification that documents follow.
pub const VERSION: &str = "3.1.0";

/// What the document says about the whole.
#[derive(Debug, Clone, Copy)]
pub struct Info<'a> {
    /// The name of the interface.
    pub title: &'a str,
    /// The version of the interface.
    pub version: &'a str,
    /// A few sentences.
    pub description: &'a str,
}

/// A plain GET beside the operations, such as `/status`.
#[derive(Debug, Clone)]
pub struct Page {
    /// For example `/status`.
    pub path: String,
    /// One line that says what it tells.
    pub summary: String,
    /// What a caller needs; `None` if everybody may read it.
    pub scope: Option<Scope>,
    /// The type of its body.
    pub content_type: String,
    /// Its body, if that is JSON.
    pub schema: Option<Schema>,
    /// Whether it answers 503, with the same body, while the daemon is not ready.
    pub may_be_unready: bool,
}

/// The document of a table and of the pages beside it.
pub fn document(info: &Info<'_>, table: &Table, pages: &[Page]) -> Value {
    let mut components = Components::default();
    let responses = responses::all(&mut components);
    let mut paths = Map::new();
    for operation in table.iter() {
        let Some(rest) = operation.rest() else { continue };
        put(&mut paths, &rest.path, rest.method, operations::described(operation, rest, &mut components));
    }
    links::add(&mut paths, table);
    for page in pages {
        put(&mut paths, &page.path, "GET", pages::described(page, &mut components));
    }
    json!({
        "openapi": VERSION,
        "info": { "title": info.title, "version": info.version, "description": info.description },
        "servers": [{ "url": "/" }],
        "tags": tags(&paths),
        "paths": paths,
        "components": {
            "schemas": components.into_schemas(),
            "responses": responses,
            "headers": responses::headers(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A signed token or an API key.",
                },
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
        },
    })
}

fn put(paths: &mut Map<String, Value>, path: &str, method: &str, described: Value) {
    let item = paths.entry(path).or_insert_with(|| json!({}));
    item[method.to_ascii_lowercase()] = described;
}

fn tags(paths: &Map<String, Value>) -> Vec<Value> {
    let operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
    let names: std::collections::BTreeSet<&str> =
        operations.filter_map(|operation| operation["tags"][0].as_str()).collect();
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

/// Either credential does; the scope stands where the specification has the required roles.
fn security(scope: Scope) -> Value {
    json!([{ "bearer": [scope] }, { "apiKey": [scope] }])
}

#[cfg(test)]
mod tests;
