use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// How many of the things that are wrong with a value are told.
const PROBLEMS_TOLD: usize = 3;
/// How much is told of them.
const PROBLEM_CHARS_MAX: usize = 2_000;

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

    /// What is wrong with a value: where, as a JSON pointer, and what was expected. The value is not repeated: it may be long, and
    /// a secret.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        let told: Vec<String> = self
            .0
            .iter_errors(value)
            .take(PROBLEMS_TOLD)
            .map(|error| {
                let pointer = error.instance_path().as_str().to_owned();
                let told = error.masked_with("it").to_string();
                if pointer.is_empty() { told } else { format!("{pointer}: {told}") }
            })
            .collect();
        if told.is_empty() { Ok(()) } else { Err(told.join("; ").chars().take(PROBLEM_CHARS_MAX).collect()) }
    }
}
