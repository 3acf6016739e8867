use orchestrator_models::http::Told;
use orchestrator_models::{ErrorKind, ProviderError};
use serde_json::Value;

/// What the body of a refusal says. Compatible servers have several forms for it.
pub(crate) fn told(status: u16, body: &str) -> Option<Told> {
    read(&serde_json::from_str(body).ok()?, Some(status))
}

/// An error in a stream that began well.
pub(crate) fn in_stream(said: &Value) -> ProviderError {
    let unknown = || Told { kind: ErrorKind::Server, message: "an error that says nothing".into(), raw_kind: None };
    let Told { kind, message, raw_kind } = read(said, None).unwrap_or_else(unknown);
    ProviderError { raw_kind, ..ProviderError::new(kind, message) }
}

fn read(body: &Value, status: Option<u16>) -> Option<Told> {
    let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = text(error).or_else(|| ["message", "detail"].iter().find_map(|key| error.get(key).and_then(text)))?;
    let [code, class] = ["code", "type"].map(|key| error.get(key).and_then(Value::as_str));
    let status = status.or_else(|| error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()));
    let kind = [code, class]
        .into_iter()
        .flatten()
        .find_map(exact)
        .or_else(|| by_message(&message, status))
        .or_else(|| status.filter(|status| *status >= 400).map(ErrorKind::of_status))
        .or_else(|| [code, class].into_iter().flatten().find_map(rough))
        .unwrap_or(ErrorKind::Server);
    Some(Told { kind, message, raw_kind: code.or(class).map(str::to_owned) })
}

/// Words that say more than the status beside them.
fn exact(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" | "usage_not_included" => {
            ErrorKind::Billing
        }
        "context_length_exceeded" | "exceed_context_size_error" => ErrorKind::ContextWindowExceeded,
        "content_filter" | "content_policy_violation" | "invalid_prompt" | "cyber_policy" | "moderation_blocked" => {
            ErrorKind::Refused
        }
        "invalid_api_key" | "authentication_error" => ErrorKind::Authentication,
        "model_not_found" => ErrorKind::NotFound,
        "server_is_overloaded" | "slow_down" | "overloaded" | "overloaded_error" | "engine_overloaded_error" => {
            ErrorKind::Overloaded
        }
        _ => return None,
    })
}

/// What has no word of its own. A request that alone is over the limit per minute is sent as 429, but never gets through.
fn by_message(message: &str, status: Option<u16>) -> Option<ErrorKind> {
    if message.contains("maximum context length") && status.is_none_or(|status| status < 429) {
        return Some(ErrorKind::ContextWindowExceeded);
    }
    (status == Some(429) && message.starts_with("Request too large")).then_some(ErrorKind::TooLarge)
}

/// Words that say no more than a status would.
fn rough(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "rate_limit_exceeded" | "rate_limit_error" | "tokens" | "requests" => ErrorKind::RateLimited,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "timeout" | "timeout_error" => ErrorKind::Timeout,
        _ if word.starts_with("invalid_") => ErrorKind::InvalidRequest,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: Value, kind: ErrorKind, raw_kind: Option<&str>) {
        let told = told(status, &body.to_string()).unwrap();
        assert_eq!((told.kind, told.raw_kind.as_deref()), (kind, raw_kind), "{body}");
    }

    fn error(class: &str, code: Value) -> Value {
        json!({ "error": { "message": "no", "type": class, "param": null, "code": code } })
    }

    #[test]
    fn the_word_says_more_than_the_status() {
        let quota = "insufficient_quota";
        check(429, error(quota, json!(quota)), ErrorKind::Billing, Some(quota));
        check(
            429,
            error("requests", json!("rate_limit_exceeded")),
            ErrorKind::RateLimited,
            Some("rate_limit_exceeded"),
        );
        let long = "context_length_exceeded";
        check(400, error("invalid_request_error", json!(long)), ErrorKind::ContextWindowExceeded, Some(long));
        check(400, error("invalid_request_error", json!("content_filter")), ErrorKind::Refused, Some("content_filter"));
        check(
            401,
            error("invalid_request_error", Value::Null),
            ErrorKind::Authentication,
            Some("invalid_request_error"),
        );
        check(
            400,
            error("invalid_request_error", Value::Null),
            ErrorKind::InvalidRequest,
            Some("invalid_request_error"),
        );
        check(
            404,
            error("invalid_request_error", json!("model_not_found")),
            ErrorKind::NotFound,
            Some("model_not_found"),
        );
        check(503, error("server_error", Value::Null), ErrorKind::Overloaded, Some("server_error"));
    }

    #[test]
    fn other_forms_are_understood() {
        check(404, json!({ "error": "model 'x' not found" }), ErrorKind::NotFound, None);
        check(422, json!({ "detail": "wrong" }), ErrorKind::InvalidRequest, None);
        let long = "This model's maximum context length is 4096 tokens";
        check(400, json!({ "object": "error", "message": long, "code": 400 }), ErrorKind::ContextWindowExceeded, None);
        let large =
            json!({ "error": { "message": "Request too large for gpt-4o on tokens per min (TPM)", "type": "tokens" } });
        check(429, large, ErrorKind::TooLarge, Some("tokens"));
        assert_eq!(told(500, "<html>"), None);
        assert_eq!(told(500, "{}"), None);
    }

    #[test]
    fn in_a_stream_there_is_no_status() {
        let kind = |said: Value| in_stream(&said).kind;
        assert_eq!(kind(error("server_error", json!("server_is_overloaded"))), ErrorKind::Overloaded);
        assert_eq!(kind(json!({ "code": "rate_limit_exceeded", "message": "slowly" })), ErrorKind::RateLimited);
        assert_eq!(kind(json!({ "error": { "message": "no", "code": 502 } })), ErrorKind::Server);
        assert_eq!(kind(json!({ "error": { "message": "no", "code": 429 } })), ErrorKind::RateLimited);
        assert_eq!(kind(error("invalid_request_error", Value::Null)), ErrorKind::InvalidRequest);
        assert_eq!(kind(json!({ "error": {} })), ErrorKind::Server);
    }
}
