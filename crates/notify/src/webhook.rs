use orchestrator_vocab::Timestamp;
use serde_json::{Value, json};

use crate::{Message, SignedHeaders, Signer};

/// What the other side is told: one message, or with `messages` several.
pub(crate) fn body(told: &Message, all: &[&Message]) -> Value {
    let mut data = of(told);
    if all.len() > 1 {
        data["count"] = all.len().into();
        data["messages"] = all.iter().map(|message| of(message)).collect();
    }
    json!({ "type": told.topic, "timestamp": told.time, "data": data })
}

fn of(message: &Message) -> Value {
    let facts: serde_json::Map<String, Value> =
        message.facts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "id": message.id, "type": message.topic, "severity": message.severity, "title": message.title, "text": message.text,
        "facts": facts, "time": message.time,
    })
}

/// The headers of a message that is sent now.
pub(crate) fn headers(signer: &Signer, id: &str, body: &[u8], now: Timestamp) -> Vec<(&'static str, String)> {
    let now_s = u64::try_from(now.millis() / 1_000).unwrap_or_default();
    let SignedHeaders { id, timestamp, signature } = signer.sign(id, now_s, body);
    vec![("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]
}
