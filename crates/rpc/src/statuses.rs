//! Dialects with a closed list of statuses of sessions: what is suspended is paused in them.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

/// As a session is known to them.
pub(crate) fn of_session(mut session: Value) -> Value {
    if session.get("status").and_then(Value::as_str) == Some("suspended") {
        session["status"] = "paused".into();
    }
    session
}

/// The same of an answer that is a session or a list of them.
pub(crate) fn in_reply(mut reply: Value) -> Value {
    if let Some(sessions) = reply.get_mut("sessions").and_then(Value::as_array_mut) {
        sessions.iter_mut().for_each(|session| *session = of_session(session.take()));
    }
    if reply.get("sessionType").is_some() { of_session(reply) } else { reply }
}

/// The same of JSON as text, which is looked into only if it may have to be changed.
pub(crate) fn in_text(json: &RawValue, known: impl Fn(Value) -> Value) -> Cow<'_, str> {
    if !json.get().contains(r#""suspended""#) {
        return Cow::Borrowed(json.get());
    }
    match serde_json::from_str(json.get()) {
        Ok(value) => Cow::Owned(known(value).to_string()),
        Err(_) => Cow::Borrowed(json.get()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_sessions_change_and_only_what_is_suspended() {
        let session = |status: &str| json!({ "sessionType": "llm", "status": status });
        assert_eq!(in_reply(session("suspended")), session("paused"));
        assert_eq!(in_reply(session("running")), session("running"));
        let list = |status: &str| json!({ "sessions": [session("running"), session(status)], "total": 2 });
        assert_eq!(in_reply(list("suspended")), list("paused"));
        for other in [json!({ "status": "suspended" }), json!(["suspended"]), json!("suspended")] {
            let text = serde_json::value::to_raw_value(&other).unwrap();
            assert_eq!(in_text(&text, in_reply), other.to_string());
        }
    }
}
