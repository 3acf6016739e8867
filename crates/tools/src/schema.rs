use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// How many of the things that are wrong with a value are told.
const PROBLEMS_TOLD: usize = 3;

/// A schema, ready to check values by.
pub(crate) struct Schema(Validator);

impl Schema {
    /// Of JSON Schema 2020-12 unless it names another draft. Nothing is fetched; patterns take time linear in what they are
    /// matched with.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let options =
            jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(PatternOptions::regex());
        options.build(schema).map(Self).map_err(|error| error.to_string())
    }

    /// What is wrong with a value: where, as a JSON pointer, and what was expected.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        let told: Vec<String> = self
            .0
            .iter_errors(value)
            .take(PROBLEMS_TOLD)
            .map(|error| match error.instance_path().as_str() {
                "" => error.to_string(),
                pointer => format!("{pointer}: {error}"),
            })
            .collect();
        if told.is_empty() { Ok(()) } else { Err(told.join("; ")) }
    }
}
