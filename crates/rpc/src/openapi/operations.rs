use serde_json::{Map, Value, json};

use super::components::Components;
use super::{responses, security};
use crate::{Operation, Rest};

/// An operation as OpenAPI describes it.
pub(super) fn described(operation: &Operation, rest: &Rest, components: &mut Components) -> Value {
    // Results first: a type of both keeps its plain name as a result.
    let result = components.shared(operation.result().as_value(), &format!("{}Result", pascal_case(operation.name())));
    let mut parameters = components.hoist(operation.parameters().as_value(), "Input");
    let mut headers_and_path = Vec::new();
    if let Some(id) = &rest.id_parameter {
        headers_and_path.push(path_parameter(id, &taken_out(&mut parameters, id)));
    }
    if operation.is_creating() {
        // In the body it would do as well, but one place is enough to describe.
        taken_out(&mut parameters, "idempotencyKey");
        headers_and_path.push(idempotency_key());
    }
    let mut described = json!({
        "operationId": operation.name(),
        "summary": operation.summary(),
        "description": description(operation),
        "tags": [operation.name().split('.').next()],
        "security": if operation.is_open() { json!([]) } else { security(operation.scope()) },
        "responses": responses::of(operation, rest, result),
    });
    if rest.has_body() {
        described["requestBody"] = body(operation, parameters, components);
    } else {
        headers_and_path.extend(query_parameters(&parameters));
    }
    described["parameters"] = Value::Array(headers_and_path);
    described
}

fn description(operation: &Operation) -> String {
    let mut text = match operation.is_open() {
        true => "Needs no credential.".to_owned(),
        false => format!("Needs the scope `{}`.", operation.scope()),
    };
    if operation.is_read_only() {
        text.push_str(" Changes nothing and may be repeated.");
    }
    if operation.is_creating() {
        text.push_str(" Repeatable under an idempotency key.");
    }
    if operation.is_free() {
        text.push_str(" Rate limits do not count it.");
    }
    text
}

/// Takes a property away and answers what it was.
fn taken_out(parameters: &mut Value, name: &str) -> Value {
    if let Some(required) = parameters.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|required| required != name);
    }
    let properties = parameters["properties"].as_object_mut();
    properties.and_then(|known| known.remove(name)).unwrap_or_else(|| json!({ "type": "string" }))
}

fn path_parameter(name: &str, schema: &Value) -> Value {
    let mut parameter = parameter("id", "path", schema.clone());
    parameter["required"] = true.into();
    if parameter.get("description").is_none() {
        parameter["description"] = format!("In other dialects the parameter `{name}`.").into();
    }
    parameter
}

fn idempotency_key() -> Value {
    let description = "The same key with the same request answers what the first one made; with another request it is \
                       refused with 409. Instead of the parameter `idempotencyKey`.";
    let schema = json!({ "type": "string", "pattern": Rest::IDEMPOTENCY_KEY_PATTERN, "description": description });
    parameter("Idempotency-Key", "header", schema)
}

fn query_parameters(parameters: &Value) -> Vec<Value> {
    let required = parameters["required"].as_array().cloned().unwrap_or_default();
    let properties = parameters["properties"].as_object().into_iter().flatten();
    let one = |(name, schema): (&String, &Value)| {
        let mut parameter = parameter(name, "query", without_null(schema));
        if required.iter().any(|required| required == name) {
            parameter["required"] = true.into();
        }
        parameter
    };
    properties.map(one).collect()
}

/// The description stands beside the schema, where readers look for it.
fn parameter(name: &str, place: &str, mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|members| members.remove("description"));
    let mut parameter = json!({ "name": name, "in": place, "schema": schema });
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}

/// A query has no `null`: leaving a parameter out says the same.
fn without_null(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut members = members.clone();
    if let Some(Value::Array(kinds)) = members.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
    for list in ["anyOf", "oneOf"] {
        let Some(Value::Array(choices)) = members.get_mut(list) else { continue };
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = choices.as_slice() {
            let only = only.as_object().cloned().unwrap_or_default();
            members.remove(list);
            members.extend(only);
        }
    }
    Value::Object(members)
}

fn body(operation: &Operation, parameters: Value, components: &mut Components) -> Value {
    let is_required = parameters["required"].as_array().is_some_and(|required| !required.is_empty());
    let mut parameters = match parameters {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    parameters.remove("title");
    let schema = components.insert(&format!("{}Params", pascal_case(operation.name())), Value::Object(parameters));
    json!({ "required": is_required, "content": { "application/json": { "schema": schema } } })
}

fn pascal_case(name: &str) -> String {
    let capitalised = |segment: &str| {
        let mut letters = segment.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    };
    name.split('.').map(capitalised).collect()
}
