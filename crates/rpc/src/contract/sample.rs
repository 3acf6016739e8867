use serde_json::{Map, Value, json};

use super::pattern;

/// Recursive types end here.
const DEPTH_MAX: usize = 16;

/// A value that fits the schema, as far as the keywords that schemars writes say.
pub(super) fn of(root: &Value) -> Value {
    Schemas { root }.sample(root, DEPTH_MAX)
}

/// A value of a JSON type that the property's schema does not allow; `None` if it allows all.
pub(super) fn wrong(property: &Value, root: &Value) -> Option<Value> {
    let allowed = Schemas { root }.types(property, DEPTH_MAX)?;
    // Lists come last: serde takes a list for a struct.
    let candidates = [
        ("number", json!(7)),
        ("object", json!({ "wrong": "type" })),
        ("boolean", json!(true)),
        ("string", json!("wrong type")),
        ("array", json!(["wrong type"])),
    ];
    candidates.into_iter().find(|(name, _)| !allowed.contains(name)).map(|(_, value)| value)
}

#[derive(Clone, Copy)]
struct Schemas<'a> {
    root: &'a Value,
}

impl<'a> Schemas<'a> {
    fn sample(self, schema: &Value, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return Value::Null };
        let first = |key: &str| schema.get(key).and_then(|list| list.get(0));
        let fixed = schema.get("const").or(first("examples")).or(first("enum"));
        if let Some(value) = fixed {
            return value.clone();
        }
        if let Some(target) = self.target(schema) {
            return self.sample(target, depth);
        }
        if let Some(branch) = branches(schema).find(|branch| !is_null(branch)) {
            return merged(self.sample_typed(schema, depth), self.sample(branch, depth));
        }
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        parts.fold(self.sample_typed(schema, depth), |sample, part| merged(sample, self.sample(part, depth)))
    }

    fn sample_typed(self, schema: &Value, depth: usize) -> Value {
        match type_names(schema).find(|name| *name != "null") {
            Some("string") => text(schema).into(),
            Some("integer" | "number") => number(schema),
            Some("boolean") => false.into(),
            Some("array") => self.array(schema, depth),
            Some("object") => self.object(schema, depth),
            Some(_) => Value::Null,
            None if schema.get("type").is_some() => Value::Null,
            None => json!({}), // free-form
        }
    }

    fn array(self, schema: &Value, depth: usize) -> Value {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let item = schema.get("items").unwrap_or(&Value::Bool(true));
        (0..count).map(|_| self.sample(item, depth)).collect()
    }

    fn object(self, schema: &Value, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let properties = schema.get("properties");
        let member = |name: &str| {
            let property = properties.and_then(|known| known.get(name)).unwrap_or(&Value::Bool(true));
            (name.to_owned(), self.sample(property, depth))
        };
        Value::Object(required.filter_map(Value::as_str).map(member).collect::<Map<_, _>>())
    }

    /// The JSON types the schema allows (`integer` counts as `number`); `None` if any.
    fn types(self, schema: &'a Value, depth: usize) -> Option<Vec<&'a str>> {
        let depth = depth.checked_sub(1)?;
        if let Some(target) = self.target(schema) {
            return self.types(target, depth);
        }
        let fixed = schema.get("enum").and_then(Value::as_array).into_iter().flatten().chain(schema.get("const"));
        let mut types: Vec<&str> = type_names(schema).chain(fixed.map(type_of)).collect();
        for branch in branches(schema) {
            types.extend(self.types(branch, depth)?);
        }
        if let Some(part) = schema.get("allOf").and_then(|parts| parts.get(0)) {
            types.extend(self.types(part, depth)?);
        }
        if types.contains(&"integer") {
            types.push("number");
        }
        (!types.is_empty()).then_some(types)
    }

    fn target(self, schema: &Value) -> Option<&'a Value> {
        self.root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
    }
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten()
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|name| name == "null")
}

fn type_names(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("type");
    let many = names.and_then(Value::as_array).into_iter().flatten();
    many.chain(names).filter_map(Value::as_str)
}

fn type_of(value: &Value) -> &str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn text(schema: &Value) -> String {
    let keyword = |key: &str| schema.get(key).and_then(Value::as_str);
    if let Some(text) = keyword("pattern").and_then(pattern::first_match) {
        return text;
    }
    match keyword("format") {
        Some("date-time") => "2030-01-31T12:00:00Z".to_owned(),
        Some("date") => "2030-01-31".to_owned(),
        Some("uuid") => "00000000-0000-7000-8000-000000000000".to_owned(),
        Some("uri") => "https://example.org/".to_owned(),
        Some("email") => "someone@example.org".to_owned(),
        _ => {
            let length = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).max(1);
            "x".repeat(usize::try_from(length).unwrap_or(1))
        }
    }
}

fn number(schema: &Value) -> Value {
    let above = schema.get("exclusiveMinimum").and_then(Value::as_i64).map(|bound| json!(bound + 1));
    schema.get("minimum").cloned().or(above).unwrap_or(json!(1))
}

/// The members of both; an object wins over what is none.
fn merged(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            first.extend(second);
            Value::Object(first)
        }
        (first, second) => {
            if second.is_null() {
                first
            } else {
                second
            }
        }
    }
}
