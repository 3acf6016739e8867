use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Code, Error};

/// Where an operation is found under REST.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rest {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// For example `/api/v1/tasks/{id}`.
    pub path: String,
    /// The parameter that stands for `{id}` in the path, for example `taskId`.
    pub id_parameter: Option<String>,
}

/// Nouns that name one thing, so that their path has no plural.
const WITHOUT_PLURAL: [&str; 10] =
    ["audit", "auth", "config", "federation", "health", "mcp", "memory", "rpc", "system", "usage"];

impl Rest {
    /// What an `Idempotency-Key` looks like: 1 to 200 visible ASCII characters.
    pub const IDEMPOTENCY_KEY_PATTERN: &str = "^[!-~]{1,200}$";

    /// Whether parameters come in a body; else they come in the query.
    pub fn has_body(&self) -> bool {
        matches!(self.method, "POST" | "PATCH")
    }

    /// Whether a header's text fits [`IDEMPOTENCY_KEY_PATTERN`](Self::IDEMPOTENCY_KEY_PATTERN).
    pub fn is_idempotency_key(text: &str) -> bool {
        (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// The route of an operation, from its name and the properties of its parameters.
    pub(crate) fn of(name: &str, properties: Option<&Map<String, Value>>) -> Self {
        let segments: Vec<&str> = name.split('.').collect();
        let [noun, verb] = segments[..] else {
            return Self::post(segments.join("/"), None);
        };
        let id_parameter = format!("{noun}Id");
        let id_parameter = properties.is_some_and(|known| known.contains_key(&id_parameter)).then_some(id_parameter);
        let collection = plural(noun);
        let thing = if id_parameter.is_some() { format!("{collection}/{{id}}") } else { collection.clone() };
        let (method, path) = match verb {
            "create" => return Self::post(collection, None),
            "list" => ("GET", collection),
            "get" => ("GET", thing),
            "update" => ("PATCH", thing),
            "delete" => ("DELETE", thing),
            other => return Self::post(format!("{thing}/{other}"), id_parameter),
        };
        let id_parameter = id_parameter.filter(|_| path.ends_with("{id}"));
        Self { method, path: under_root(&path), id_parameter }
    }

    fn post(path: String, id_parameter: Option<String>) -> Self {
        Self { method: "POST", path: under_root(&path), id_parameter }
    }
}

/// The body of every answer that is no success.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ErrorBody<'a> {
    /// What went wrong.
    pub error: ErrorFields<'a>,
}

/// What went wrong, in one object.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorFields<'a> {
    /// For programs.
    pub code: Code,
    /// A sentence for a person.
    pub message: Cow<'a, str>,
    /// The parameter at fault, as a path: `dependsOn[2]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'a, str>>,
    /// How long to wait before trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Names the call in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Cow<'a, str>>,
    /// More for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Cow<'a, Value>>,
}

impl<'a> ErrorBody<'a> {
    /// The body of this error. Of an internal one it says no more than that and its correlation id.
    pub fn of(error: &'a Error) -> Self {
        let public = error.code != Code::Internal;
        Self {
            error: ErrorFields {
                code: error.code,
                message: if public { error.message.as_str().into() } else { "internal error".into() },
                field: error.field.as_deref().map(Cow::Borrowed),
                retry_after_ms: error.retry_after.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
                correlation_id: error.correlation().map(Cow::Borrowed),
                details: error.data.as_ref().filter(|_| public).map(Cow::Borrowed),
            },
        }
    }
}

fn under_root(path: &str) -> String {
    format!("/api/v1/{path}")
}

fn plural(noun: &str) -> String {
    if WITHOUT_PLURAL.contains(&noun) {
        return noun.to_owned();
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with(['s', 'x', 'z']) || noun.ends_with("ch") || noun.ends_with("sh") => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, parameter: &str, method: &str, path: &str) {
        let properties = Map::from_iter([(parameter.to_owned(), Value::Null)]);
        let rest = Rest::of(name, Some(&properties));
        assert_eq!((rest.method, rest.path.as_str()), (method, format!("/api/v1/{path}").as_str()), "{name}");
        assert_eq!(rest.id_parameter.as_deref(), path.contains("{id}").then_some(parameter), "{name}");
    }

    #[test]
    fn the_usual_verbs_have_their_methods() {
        check("task.create", "title", "POST", "tasks");
        check("task.list", "cursor", "GET", "tasks");
        check("task.get", "taskId", "GET", "tasks/{id}");
        check("task.update", "taskId", "PATCH", "tasks/{id}");
        check("task.delete", "taskId", "DELETE", "tasks/{id}");
    }

    #[test]
    fn other_verbs_are_posted_to_the_thing_or_to_the_collection() {
        check("task.complete", "taskId", "POST", "tasks/{id}/complete");
        check("task.createMany", "tasks", "POST", "tasks/createMany");
        check("task.claim", "agentId", "POST", "tasks/claim");
        check("session.status", "sessionId", "POST", "sessions/{id}/status");
        check("session.create", "sessionId", "POST", "sessions");
        check("config.get", "keys", "GET", "config");
    }

    #[test]
    fn deeper_and_shorter_names_are_paths() {
        check("auth.token.issue", "tokenId", "POST", "auth/token/issue");
        check("subscribe", "events", "POST", "subscribe");
    }

    #[test]
    fn nouns_get_their_plural() {
        for (noun, expected) in [("task", "tasks"), ("org", "orgs"), ("outbox", "outboxes"), ("policy", "policies")] {
            assert_eq!(plural(noun), expected);
        }
        for (noun, expected) in [("health", "health"), ("memory", "memory"), ("branch", "branches"), ("day", "days")] {
            assert_eq!(plural(noun), expected);
        }
    }
}
