use serde::Serialize;
use serde_json::{Map, Value, json};

/// The parameters of a call: what was not given is left out, so that the daemon's defaults hold.
#[derive(Debug, Default)]
pub(crate) struct Params(Map<String, Value>);

impl Params {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.0.insert(name.to_owned(), json!(value));
        self
    }

    pub(crate) fn maybe(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn list(self, name: &str, values: &[impl Serialize]) -> Self {
        if values.is_empty() { self } else { self.with(name, values) }
    }

    pub(crate) fn flag(self, name: &str, is_set: bool) -> Self {
        if is_set { self.with(name, true) } else { self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts these over the fields of `value`.
    pub(crate) fn over(self, value: &mut Value) {
        if let Value::Object(fields) = value {
            fields.extend(self.0);
        }
    }
}

impl From<Params> for Value {
    fn from(params: Params) -> Self {
        Self::Object(params.0)
    }
}
