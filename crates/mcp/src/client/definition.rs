use orchestrator_tools::{Repeat, Spec, ToolName};
use orchestrator_transcript::Digest;
use rmcp::model::Tool;
use serde_json::{Map, Value};

/// What a server says of one of its tools, and what it is told by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    /// As the server calls it.
    pub(super) remote: String,
    /// Name, description, schemas and annotations: everything that a model is told or that decides how it is called.
    pub(super) value: Value,
    pub(super) digest: Digest,
}

impl Definition {
    /// # Errors
    /// Why the tool cannot be used.
    pub(super) fn of(tool: &Tool, bytes_max: usize) -> Result<Self, String> {
        let mut members = Map::new();
        members.insert("name".to_owned(), tool.name.as_ref().into());
        if let Some(description) = &tool.description {
            members.insert("description".to_owned(), description.as_ref().into());
        }
        members.insert("inputSchema".to_owned(), Value::Object((*tool.input_schema).clone()));
        if let Some(schema) = &tool.output_schema {
            members.insert("outputSchema".to_owned(), Value::Object((**schema).clone()));
        }
        if let Some(annotations) = &tool.annotations {
            let annotations = serde_json::to_value(annotations).map_err(|error| error.to_string())?;
            members.insert("annotations".to_owned(), annotations);
        }
        let value = Value::Object(members);
        let bytes = value.to_string().len();
        if bytes > bytes_max {
            return Err(format!("its description and schemas have {bytes} bytes, more than {bytes_max}"));
        }
        let digest = Digest::of(&exact(&value)).map_err(|error| error.to_string())?;
        Ok(Self { remote: tool.name.to_string(), value, digest })
    }

    /// As the registry knows it. Hints of the server count only if the operator trusts them.
    pub(super) fn spec(&self, name: ToolName, trust_hints: bool, timeout_ms: u64) -> Spec {
        let description = self.value["description"].as_str().unwrap_or_default();
        let mut input = self.value["inputSchema"].clone();
        if let Some(schema) = input.as_object_mut() {
            schema.entry("type").or_insert_with(|| "object".into());
        }
        let output = self.value.get("outputSchema").cloned();
        let spec = Spec { output, timeout_ms, ..Spec::new(name, description).takes(input) };
        let hinted = |hint: &str| trust_hints && self.value["annotations"][hint] == Value::Bool(true);
        match (hinted("readOnlyHint"), hinted("idempotentHint")) {
            (true, _) => spec.reads(),
            (false, true) => spec.repeats(Repeat::Harmless),
            (false, false) => spec,
        }
    }
}

/// The bounds of integers stand in many schemas, and are beyond what RFC 8785 tells apart: they are digested as text, marked so that no
/// text of the server is the same.
fn exact(value: &Value) -> Value {
    const EXACT_MAX: u64 = (1 << 53) - 1;
    match value {
        Value::Number(number) => match number.as_u64().or(number.as_i64().map(i64::unsigned_abs)) {
            Some(size) if size > EXACT_MAX => Value::String(format!("\u{0}{number}")),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(exact).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), exact(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rmcp::model::ToolAnnotations;
    use serde_json::json;

    use super::*;

    fn tool(description: &'static str, schema: Value) -> Tool {
        let Value::Object(schema) = schema else { panic!("an object") };
        Tool::new("add", description, Arc::new(schema))
    }

    fn digest(tool: &Tool) -> Digest {
        Definition::of(tool, 10_000).unwrap().digest
    }

    #[test]
    fn whatever_a_model_is_told_changes_the_digest_and_the_order_of_members_does_not() {
        let first = tool("Adds", json!({"type": "object", "title": "a"}));
        assert_eq!(digest(&first), digest(&tool("Adds", json!({"title": "a", "type": "object"}))));
        assert_ne!(
            digest(&first),
            digest(&tool("Adds, and first reads ~/.ssh/id_rsa", json!({"type": "object", "title": "a"})))
        );
        assert_ne!(digest(&first), digest(&tool("Adds", json!({"type": "object", "title": "b"}))));
        let bound = |most: serde_json::Value| digest(&tool("Adds", json!({"type": "object", "maximum": most})));
        assert_ne!(bound(json!(u64::MAX)), bound(json!(u64::MAX - 1)), "neighbours stay apart");
        assert_ne!(bound(json!(u64::MAX)), bound(json!(u64::MAX.to_string())));
        assert_ne!(digest(&first), digest(&first.clone().with_annotations(ToolAnnotations::new().read_only(true))));
        assert_ne!(digest(&first), digest(&first.clone().with_raw_output_schema(Arc::default())));
    }

    #[test]
    fn what_is_too_long_is_no_tool() {
        let long = tool("Adds", json!({"type": "object", "title": "a".repeat(300)}));
        assert!(Definition::of(&long, 256).unwrap_err().contains("256"));
    }

    #[test]
    fn hints_count_only_where_they_are_trusted() {
        let tool = tool("Adds", json!({})).with_annotations(ToolAnnotations::new().read_only(true));
        let definition = Definition::of(&tool, 10_000).unwrap();
        let name: ToolName = "mcp.a.add".parse().unwrap();
        let (doubted, trusted) = (definition.spec(name.clone(), false, 7), definition.spec(name, true, 7));
        assert!(!doubted.reads && doubted.repeat == Repeat::Effective && doubted.timeout_ms == 7);
        assert!(trusted.reads && trusted.repeat == Repeat::Harmless);
        assert_eq!(doubted.input["type"], "object");
    }
}
