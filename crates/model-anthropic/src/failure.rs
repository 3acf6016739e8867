//! What an error of the protocol means.

use orchestrator_models::http::Told;
use orchestrator_models::{ErrorKind, ProviderError};

use crate::wire::{Failed, Failure};

/// Reads the body of an answer that is an error.
pub(crate) fn read(status: u16, body: &str) -> Option<Told> {
    let failed: Failed = serde_json::from_str(body).ok()?;
    Some(told(Some(status), failed.error))
}

/// An error that comes in a stream which began well: it has no status and no headers of its own.
pub(crate) fn in_stream(failure: Failure, request_id: Option<String>) -> ProviderError {
    let Told { kind, message, raw_kind } = told(None, failure);
    ProviderError { raw_kind, request_id, ..ProviderError::new(kind, message) }
}

fn told(status: Option<u16>, failure: Failure) -> Told {
    let Failure { kind, message, details } = failure;
    let code = details.and_then(|details| details.error_code);
    let meant = code
        .as_deref()
        .and_then(by_code)
        .or_else(|| by_words(&kind, &message))
        .or_else(|| by_type(&kind))
        .unwrap_or_else(|| status.map_or(ErrorKind::Server, ErrorKind::of_status));
    let raw_kind = code.or_else(|| Some(kind).filter(|kind| !kind.is_empty()));
    let message = if message.is_empty() { "the provider does not say what is wrong".to_owned() } else { message };
    Told { kind: meant, message, raw_kind }
}

/// `invalid_request_error` stands for several statuses, which say more.
fn by_type(kind: &str) -> Option<ErrorKind> {
    Some(match kind {
        "authentication_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "conflict_error" => ErrorKind::Conflict,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_error" => ErrorKind::RateLimited,
        "api_error" => ErrorKind::Server,
        "timeout_error" => ErrorKind::Timeout,
        "overloaded_error" => ErrorKind::Overloaded,
        _ => return None,
    })
}

/// The finer kinds that newer versions of the protocol send along. A limit on what may be spent comes as a 400 or a 429.
fn by_code(code: &str) -> Option<ErrorKind> {
    match code {
        code if code.ends_with("spend_limit_reached") => Some(ErrorKind::Billing),
        "linked_organization_billing_unavailable" | "organization_on_hold" => Some(ErrorKind::Billing),
        "request_body_too_large_after_decoding" => Some(ErrorKind::TooLarge),
        _ => None,
    }
}

/// Three things are told from other wrong requests by their words alone; should these change, they are wrong requests again.
fn by_words(kind: &str, message: &str) -> Option<ErrorKind> {
    if kind != "invalid_request_error" {
        return None;
    }
    let says = |words: &str| message.contains(words);
    if says("prompt is too long") || says("exceed context limit") {
        return Some(ErrorKind::ContextWindowExceeded);
    }
    if says("credit balance is too low") {
        return Some(ErrorKind::Billing);
    }
    says("blocked by content filtering policy").then_some(ErrorKind::Refused)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, kind: &str, message: &str, code: Option<&str>, expected: ErrorKind) {
        let error =
            json!({ "type": kind, "message": message, "details": code.map(|code| json!({ "error_code": code })) });
        let told = read(status, &json!({ "type": "error", "error": error }).to_string()).unwrap();
        assert_eq!(told.kind, expected, "{status} {kind} {message} {code:?}");
        assert_eq!(told.raw_kind.as_deref(), Some(code.unwrap_or(kind)));
    }

    #[test]
    fn the_type_is_better_than_the_status() {
        check(400, "invalid_request_error", "max_tokens: required", None, ErrorKind::InvalidRequest);
        check(413, "invalid_request_error", "too big", None, ErrorKind::TooLarge);
        check(401, "authentication_error", "invalid x-api-key", None, ErrorKind::Authentication);
        check(402, "billing_error", "pay", None, ErrorKind::Billing);
        check(403, "permission_error", "no", None, ErrorKind::Permission);
        check(404, "not_found_error", "model: x", None, ErrorKind::NotFound);
        check(409, "conflict_error", "again", None, ErrorKind::Conflict);
        check(413, "request_too_large", "32 MB", None, ErrorKind::TooLarge);
        check(429, "rate_limit_error", "slow", None, ErrorKind::RateLimited);
        check(500, "api_error", "oops", None, ErrorKind::Server);
        check(504, "timeout_error", "late", None, ErrorKind::Timeout);
        check(529, "overloaded_error", "busy", None, ErrorKind::Overloaded);
        check(503, "something_new", "?", None, ErrorKind::Overloaded);
    }

    #[test]
    fn money_is_never_a_limit_that_passes() {
        check(400, "invalid_request_error", "limit", Some("enforced_spend_limit_reached"), ErrorKind::Billing);
        check(429, "rate_limit_error", "limit", Some("contract_spend_limit_reached"), ErrorKind::Billing);
        check(400, "invalid_request_error", "Your credit balance is too low to …", None, ErrorKind::Billing);
    }

    #[test]
    fn some_requests_are_wrong_in_a_way_that_helps() {
        let long = "prompt is too long: 200001 tokens > 200000 maximum";
        check(400, "invalid_request_error", long, None, ErrorKind::ContextWindowExceeded);
        let both = "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000";
        check(400, "invalid_request_error", both, None, ErrorKind::ContextWindowExceeded);
        let filtered = "Output blocked by content filtering policy";
        check(400, "invalid_request_error", filtered, None, ErrorKind::Refused);
    }

    #[test]
    fn what_is_no_error_of_the_protocol_is_left_to_the_status() {
        assert_eq!(read(502, "<html>Bad Gateway</html>"), None);
        assert_eq!(read(500, "{\"error\":\"x\"}"), None);
    }
}
