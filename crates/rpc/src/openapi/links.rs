use serde_json::{Map, Value, json};

use crate::{Operation, Table};

/// Says of each operation that makes a thing what can be done with it: the id of the answer is the id of the path.
pub(super) fn add(paths: &mut Map<String, Value>, table: &Table) {
    for operation in table.iter().filter(|operation| operation.success_status() == 201) {
        let Some(rest) = operation.rest() else { continue };
        let links = links(operation, table);
        let answer = paths.get_mut(&rest.path).and_then(|item| item.pointer_mut("/post/responses/201"));
        if let Some(answer) = answer.filter(|_| !links.is_empty()) {
            answer["links"] = Value::Object(links);
        }
    }
}

fn links(creating: &Operation, table: &Table) -> Map<String, Value> {
    let noun = creating.name().split('.').next().unwrap_or_default();
    let id = format!("{noun}Id");
    let about_it = |operation: &&Operation| {
        operation.rest().and_then(|rest| rest.id_parameter.as_ref()).is_some_and(|parameter| *parameter == id)
    };
    let has_id = |property: &str| creating.result().as_value()["properties"].get(property).is_some();
    let Some(property) = ["id", &id].into_iter().find(|property| has_id(property)) else { return Map::new() };
    let link = |operation: &Operation| {
        let parameters = json!({ "id": format!("$response.body#/{property}") });
        (operation.name().to_owned(), json!({ "operationId": operation.name(), "parameters": parameters }))
    };
    table.iter().filter(about_it).map(link).collect()
}
