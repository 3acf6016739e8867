use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::components::Components;
use crate::{Code, ErrorBody, Operation, Rest};

/// Statuses that no code stands for, with when they come.
const OF_TRANSPORT: [(u16, &str); 2] =
    [(405, "The route has other methods; `Allow` names them."), (408, "The body took too long.")];

/// What any operation may answer.
const COMMON: [Code; 9] = [
    Code::Parse,
    Code::InvalidRequest,
    Code::Unauthorized,
    Code::Forbidden,
    Code::InvalidParams,
    Code::RateLimited,
    Code::Internal,
    Code::Unavailable,
    Code::Timeout,
];

/// The answers of an operation, by status.
pub(super) fn of(operation: &Operation, rest: &Rest, result: Value) -> Value {
    let mut statuses: BTreeSet<u16> = COMMON.iter().chain(operation.errors()).map(|code| code.http_status()).collect();
    if rest.has_body() {
        statuses.extend([408, Code::PayloadTooLarge.http_status(), Code::UnsupportedMedia.http_status()]);
    }
    if operation.is_creating() {
        statuses.insert(Code::Conflict.http_status());
    }
    let mut answers: Map<String, Value> =
        statuses.into_iter().map(|status| (status.to_string(), reference(status))).collect();
    let paged = operation.properties().is_some_and(|known| known.contains_key("cursor")) && rest.method == "GET";
    let own: &[&str] =
        if paged { &["RateLimit", "RateLimit-Policy", "Link"] } else { &["RateLimit", "RateLimit-Policy"] };
    let body = json!({ "application/json": { "schema": result } });
    answers.insert(operation.success_status().to_string(), success(operation.summary(), body, own));
    Value::Object(answers)
}

pub(super) fn success(description: &str, content: Value, more_headers: &[&str]) -> Value {
    let names = more_headers.iter().chain(&["traceparent"]);
    let headers: Map<String, Value> = names.map(|name| ((*name).to_owned(), header(name))).collect();
    json!({ "description": description, "headers": headers, "content": content })
}

pub(super) fn reference(status: u16) -> Value {
    json!({ "$ref": format!("#/components/responses/{}", name(status)) })
}

pub(super) fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn name(status: u16) -> String {
    format!("Error{status}")
}

/// One answer for each status a refusal may have.
pub(super) fn all(components: &mut Components) -> Value {
    let body = components.shared(crate::schema_of_output::<ErrorBody<'static>>().as_value(), "ErrorBody");
    let statuses: BTreeSet<u16> = Code::ALL.into_iter().map(Code::http_status).collect();
    let mut answers = Map::new();
    for status in statuses {
        let codes = Code::ALL.into_iter().filter(|code| code.http_status() == status);
        let sentences: Vec<String> = codes.map(|code| format!("`{code}`: {}", meaning(code))).collect();
        answers.insert(name(status), error(status, &sentences.join(" "), &body));
    }
    for (status, description) in OF_TRANSPORT {
        answers.insert(name(status), error(status, description, &body));
    }
    Value::Object(answers)
}

fn error(status: u16, description: &str, body: &Value) -> Value {
    let names: &[&str] = match status {
        401 => &["WWW-Authenticate", "traceparent"],
        405 => &["Allow", "traceparent"],
        429 | 503 => &["Retry-After", "traceparent"],
        _ => &["traceparent"],
    };
    let headers: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), header(name))).collect();
    json!({
        "description": description,
        "headers": headers,
        "content": { "application/json": { "schema": body } },
    })
}

pub(super) fn headers() -> Value {
    let text = |description: &str, required: bool| json!({ "description": description, "required": required, "schema": { "type": "string" } });
    json!({
        "Allow": text("The methods of the route.", true),
        "Link": text("The next page, as rel=\"next\" (RFC 8288); absent on the last.", false),
        "RateLimit": text("What is left: \"name\";r=calls;t=seconds (draft-ietf-httpapi-ratelimit-headers-10).", false),
        "RateLimit-Policy": text("What is allowed: \"name\";q=calls;w=seconds (same draft).", false),
        "Retry-After": {
            "description": "When to come again, in seconds.",
            "required": true,
            "schema": { "type": "integer", "minimum": 0 },
        },
        "WWW-Authenticate": text("Bearer", true),
        "traceparent": {
            "description": "The trace this answer belongs to (W3C Trace Context): the one of the request, or a new one.",
            "required": true,
            "schema": { "type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$" },
        },
    })
}

fn meaning(code: Code) -> &'static str {
    match code {
        Code::Parse => "the body is not JSON.",
        Code::InvalidRequest => "the request is malformed as a whole.",
        Code::UnknownMethod => "no operation has this name.",
        Code::InvalidParams => "the parameters do not fit; `field` names the one.",
        Code::Internal => "a defect or a failed backend; the log has the cause under `correlationId`.",
        Code::Unauthorized => "the credential is missing, wrong, expired or revoked.",
        Code::Forbidden => "the credential lacks the scope, or a policy says no.",
        Code::Conflict => "the thing is not in the state the call needs, or somebody else was first.",
        Code::RateLimited => "too many calls.",
        Code::Unavailable => "starting, draining or full: try again later.",
        Code::Timeout => "the deadline passed; the call may or may not have had its effect.",
        Code::ProtocolMismatch => "the two sides share no protocol version.",
        Code::NotFound => "no such thing, or it is another organisation's.",
        Code::BudgetExhausted => "a spending limit is reached.",
        Code::UnsupportedMedia => "the body is not JSON by its content type.",
        Code::PayloadTooLarge => "the body is too large.",
    }
}
