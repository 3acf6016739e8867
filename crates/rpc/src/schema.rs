use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// The schema of what is sent to us, self-contained, in JSON Schema, draft 2020-12.
pub(crate) fn of_input<T: JsonSchema>() -> Schema {
    let settings = bounded(SchemaSettings::draft2020_12().for_deserialize());
    settings.with_transform(RecursiveTransform(tolerant)).into_generator().into_root_schema_for::<T>()
}

/// The schema of what we send, for pages beside the operations: self-contained, in JSON Schema, draft 2020-12.
pub fn of_output<T: JsonSchema>() -> Schema {
    bounded(SchemaSettings::draft2020_12().for_serialize()).into_generator().into_root_schema_for::<T>()
}

fn bounded(settings: SchemaSettings) -> SchemaSettings {
    settings.with_transform(RecursiveTransform(bound))
}

/// Whoever says something twice in a list that becomes a set has said it.
fn tolerant(schema: &mut Schema) {
    schema.remove("uniqueItems");
}

/// An integer of so many bits says so by its bounds; `format` alone means nothing to a validator.
fn bound(schema: &mut Schema) {
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (json!(0), json!(u8::MAX)),
        Some("uint16") => (json!(0), json!(u16::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        Some("uint64" | "uint") => (json!(0), json!(u64::MAX)),
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        _ => return,
    };
    if schema.get("minimum").is_none() {
        schema.insert("minimum".to_owned(), least);
    }
    if schema.get("maximum").is_none() {
        schema.insert("maximum".to_owned(), most);
    }
}
