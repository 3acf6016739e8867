use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// How one call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallOptions {
    /// From beginning to end; [`Config::call_timeout`](crate::Config::call_timeout) if absent.
    pub timeout: Option<Duration>,
    /// Whether it may be sent again.
    pub repeat: Repeat,
}

/// Whether a call may be sent again if the connection was lost before its answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Repeat {
    /// If it carries an `idempotencyKey`, or its name says that it only reads: `get`, `list`, `status` and their like.
    #[default]
    IfHarmless,
    /// Yes: the caller knows that twice is as good as once.
    Yes,
    /// No: the call fails with [`Error::Disconnected`](crate::Error::Disconnected).
    No,
}

/// The verbs of operations that change nothing.
const READING: [&str; 12] = [
    "get", "list", "status", "explain", "history", "discover", "describe", "ping", "query", "report", "verify",
    "validate",
];

impl Repeat {
    pub(crate) fn allows(self, method: &str, params: Option<&RawValue>) -> bool {
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::IfHarmless => {
                let verb = method.rsplit('.').next().unwrap_or(method);
                READING.contains(&verb) || params.is_some_and(has_key)
            }
        }
    }
}

fn has_key(params: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Keyed<'a> {
        #[serde(rename = "idempotencyKey", borrow, default)]
        key: Option<&'a RawValue>,
    }
    // A look at the text first: most calls have no key, and parsing large parameters for that costs.
    params.get().contains("idempotencyKey")
        && serde_json::from_str::<Keyed<'_>>(params.get()).is_ok_and(|keyed| keyed.key.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_and_keyed_calls_are_harmless() {
        let check = |method: &str, params: &str| {
            let params: Box<RawValue> = serde_json::from_str(params).unwrap();
            Repeat::IfHarmless.allows(method, Some(&params))
        };
        assert!(check("task.list", "{}") && check("auth.token.list", "{}"));
        assert!(check("task.create", r#"{"idempotencyKey":"k"}"#));
        assert!(!check("task.create", r#"{"metadata":{"idempotencyKey":"k"}}"#));
        assert!(!check("task.claim", "{}") && !check("subscribe", "{}"));
        assert!(!check("task.create", r#"{"idempotencyKey":null}"#));
    }
}
