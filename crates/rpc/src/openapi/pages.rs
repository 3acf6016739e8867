use serde_json::{Map, Value, json};

use super::components::Components;
use super::{Page, responses, security};

/// A plain GET as OpenAPI describes it.
pub(super) fn described(page: &Page, components: &mut Components) -> Value {
    let body = match &page.schema {
        Some(schema) => json!({ "schema": components.shared(schema.as_value(), "Page") }),
        None => json!({ "schema": { "type": "string" } }),
    };
    let content = json!({ page.content_type.as_str(): body });
    let mut answers = Map::new();
    answers.insert("200".to_owned(), responses::success("It is there.", content.clone(), &[]));
    if page.may_be_unready {
        let mut unready = responses::success("Not now: starting, draining or broken.", content, &[]);
        unready["headers"]["Retry-After"] = responses::header("Retry-After");
        answers.insert("503".to_owned(), unready);
    }
    if page.scope.is_some() {
        for status in [400, 401, 403, 429, 500, 503] {
            answers.entry(status.to_string()).or_insert_with(|| responses::reference(status));
        }
    }
    json!({
        "operationId": format!("page.{}", page.path.trim_matches('/').replace(['/', '.'], "_")),
        "summary": page.summary,
        "tags": ["pages"],
        "security": page.scope.map_or_else(|| json!([]), security),
        "responses": answers,
    })
}
