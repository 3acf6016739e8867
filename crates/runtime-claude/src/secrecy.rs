use std::fmt;
use std::sync::Arc;

use orchestrator_vocab::Confidentiality;
use serde_json::Value;

/// Tells how confidential is what a tool of a coding agent says, by the tool's name, as the agent has it, and by its arguments.
/// By default nothing is more than the organisation's.
#[derive(Clone)]
pub struct Secrecy(Arc<Of>);

type Of = dyn Fn(&str, &Value) -> Confidentiality + Send + Sync;

impl Secrecy {
    /// Whatever this function says.
    pub fn new(of: impl Fn(&str, &Value) -> Confidentiality + Send + Sync + 'static) -> Self {
        Self(Arc::new(of))
    }

    pub(crate) fn of(&self, tool: &str, input: &Value) -> Confidentiality {
        (self.0)(tool, input)
    }
}

impl Default for Secrecy {
    fn default() -> Self {
        Self::new(|_, _| Confidentiality::default())
    }
}

impl fmt::Debug for Secrecy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrecy")
    }
}
