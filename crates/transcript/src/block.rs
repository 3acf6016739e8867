use orchestrator_vocab::Label;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A piece of a message, and who said it.
///
/// As JSON the label lies beside the content: `{"type": "text", "text": "hello", "label": {…}}`. A block without a label is
/// read as untrusted and internal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = closed))]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// What it is.
    #[serde(flatten)]
    pub content: Content,
    /// How far it may be believed, and who may see it.
    #[serde(default)]
    pub label: Label,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Content {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: ImageSource,
    },
    /// What a model thought before it answered. It goes back to its maker as it came, or the maker refuses the turn.
    Thinking {
        /// What may be shown of it; empty if nothing may.
        text: String,
        /// The maker's proof that it is unchanged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// Thinking that its maker shows to nobody.
    RedactedThinking {
        /// As it came.
        data: String,
    },
    /// What a model wants a tool to do.
    ToolCall(ToolCall),
    /// What came of it.
    ToolResult(ToolResult),
    /// What one provider needs back as it came, and no other can use: results of tools it ran itself, a compacted past.
    Opaque {
        /// The name of the provider as it is configured.
        provider: String,
        /// As it came.
        value: Value,
    },
}

/// Where a picture is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ImageSource {
    /// In the message.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// The bytes in standard base64 with padding.
        data: String,
    },
    /// Where the provider fetches it; the daemon does not.
    Url {
        /// An absolute address.
        url: String,
    },
}

/// What a model wants a tool to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolCall {
    /// What its result refers to; unique within the conversation.
    pub id: String,
    /// The tool's name as it was offered.
    pub name: String,
    /// A JSON object, or `null` if what the model wrote is none.
    #[serde(default)]
    pub arguments: Value,
    /// What the model wrote instead of a JSON object: nothing may be run then, and the model is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolResult {
    /// The id of the call.
    pub call_id: String,
    /// What the tool says.
    pub content: Vec<ToolResultPart>,
    /// The tool failed, or was not run; the content says why.
    #[serde(default)]
    pub is_error: bool,
}

/// A piece of what a tool says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub enum ToolResultPart {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: ImageSource,
    },
}

impl Block {
    /// A block with its label.
    pub const fn new(label: Label, content: Content) -> Self {
        Self { content, label }
    }

    /// Words with their label.
    pub fn text(label: Label, text: impl Into<String>) -> Self {
        Self::new(label, Content::Text { text: text.into() })
    }
}

impl Content {
    /// The words of a text block.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            _ => None,
        }
    }
}

impl ToolCall {
    /// Reads what a model wrote as arguments, all of it. Nothing at all is an empty object.
    pub fn parse(id: impl Into<String>, name: impl Into<String>, written: &str) -> Self {
        let (id, name) = (id.into(), name.into());
        if written.trim().is_empty() {
            return Self { id, name, arguments: Value::Object(Map::new()), malformed: None };
        }
        match serde_json::from_str(written) {
            Ok(arguments @ Value::Object(_)) => Self { id, name, arguments, malformed: None },
            _ => Self { id, name, arguments: Value::Null, malformed: Some(written.to_owned()) },
        }
    }
}

impl ToolResult {
    /// A result of one text.
    pub fn text(call_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { call_id: call_id.into(), content: vec![ToolResultPart::Text { text: text.into() }], is_error: false }
    }
}

/// By hand, because a flattened enum lets unknown fields pass.
impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let label = match fields.remove("label") {
            Some(label) => {
                serde_json::from_value(label).map_err(|error| D::Error::custom(format!("label: {error}")))?
            }
            None => Label::default(),
        };
        let content = serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { content, label })
    }
}

/// Puts the label into each kind of content, and nothing else beside it: what is flattened is open otherwise.
#[cfg(feature = "schema")]
fn closed(schema: &mut schemars::Schema) {
    let label = schema.remove("properties").and_then(|fields| fields.get("label").cloned()).unwrap_or_default();
    let kinds = schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
    for kind in kinds.filter_map(Value::as_object_mut) {
        kind.insert("additionalProperties".to_owned(), Value::Bool(false));
        if let Some(fields) = kind.get_mut("properties").and_then(Value::as_object_mut) {
            fields.insert("label".to_owned(), label.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_survives_its_json() {
        let blocks = [
            Block::text(Label::USER, "hello"),
            Block::new(Label::USER, Content::ToolCall(ToolCall::parse("1", "read", r#"{"path":"a"}"#))),
            Block::new(Label::default(), Content::ToolResult(ToolResult::text("1", "words"))),
            Block::new(Label::USER, Content::Thinking { text: String::new(), signature: Some("s".into()) }),
        ];
        for block in blocks {
            let json = serde_json::to_value(&block).unwrap();
            assert_eq!(serde_json::from_value::<Block>(json.clone()).unwrap(), block, "{json}");
        }
    }

    #[test]
    fn a_block_without_a_label_is_untrusted() {
        let block: Block = serde_json::from_value(json!({"type": "text", "text": "x"})).unwrap();
        assert_eq!(block.label, Label::default());
    }

    #[test]
    fn unknown_fields_and_kinds_are_refused() {
        for wrong in [
            json!({"type": "text", "text": "x", "colour": "red"}),
            json!({"type": "dance"}),
            json!({"type": "text", "text": "x", "label": {"integrity": "god", "confidentiality": "public"}}),
            json!("text"),
        ] {
            assert!(serde_json::from_value::<Block>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "schema")]
    #[test]
    fn the_schema_lets_no_unknown_field_pass() {
        let schema = serde_json::to_value(schemars::schema_for!(Block)).unwrap();
        let kinds = schema["oneOf"].as_array().unwrap();
        assert_eq!(kinds.len(), 7);
        for kind in kinds {
            assert_eq!(kind["additionalProperties"], json!(false), "{kind}");
            assert_eq!(kind["properties"]["label"]["$ref"], "#/$defs/Label", "{kind}");
            assert!(kind["properties"]["type"]["const"].is_string(), "{kind}");
        }
        assert_eq!(schema.get("properties"), None);
    }

    #[test]
    fn arguments_that_are_no_object_are_kept_as_they_were_written() {
        for written in ["{\"path\": ", "[1]", "\"x\"", "{} {}"] {
            let call = ToolCall::parse("1", "read", written);
            assert_eq!((call.arguments, call.malformed.as_deref()), (Value::Null, Some(written)));
        }
        assert_eq!(ToolCall::parse("1", "now", "").arguments, json!({}));
    }
}
