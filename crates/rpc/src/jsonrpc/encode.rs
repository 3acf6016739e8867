use super::{Message, Reply};
use crate::{Signal, Tell};

/// One reply.
pub fn encode_reply(reply: &Reply) -> String {
    let mut out = String::with_capacity(48 + reply.outcome.as_ref().map_or(256, |result| result.get().len()));
    push_reply(&mut out, reply);
    out
}

/// The replies to a batch, as a list; `None` if there are none, for then nothing is sent.
pub fn encode_replies(replies: &[Reply]) -> Option<String> {
    let mut out = String::new();
    for reply in replies {
        out.push(if out.is_empty() { '[' } else { ',' });
        push_reply(&mut out, reply);
    }
    (!out.is_empty()).then(|| out + "]")
}

/// An event as a notification.
pub fn encode_event(event: &Tell<'_>) -> String {
    let Tell { name, payload, seq, subscription, .. } = event;
    let mut out = String::with_capacity(128 + name.len() + payload.get().len());
    out.push_str(r#"{"jsonrpc":"2.0","method":"#);
    push_text(&mut out, name);
    out.push_str(r#","params":{"payload":"#);
    out.push_str(payload.get());
    if let Some(seq) = seq {
        out.push_str(r#","seq":"#);
        out.push_str(&seq.to_string());
    }
    if let Some(subscription) = subscription {
        out.push_str(r#","subscriptionId":"#);
        push_text(&mut out, subscription);
    }
    out.push_str("}}");
    out
}

/// What the server says of the connection itself, as an event under no subscription. `None` for its heartbeat: here pings
/// do that.
pub fn encode_signal(signal: &Signal) -> Option<String> {
    if matches!(signal, Signal::Heartbeat { .. }) {
        return None;
    }
    Some(encode_event(&Tell::of_server(signal.event_name(), &signal.facts())))
}

/// A call or notification, for clients.
pub fn encode_message(message: &Message) -> String {
    let params = message.params.as_ref().map_or("", |params| params.get());
    let mut out = String::with_capacity(64 + message.method.len() + params.len());
    out.push_str(r#"{"jsonrpc":"2.0""#);
    if let Some(id) = &message.id {
        out.push_str(r#","id":"#);
        out.push_str(id.as_str());
    }
    out.push_str(r#","method":"#);
    push_text(&mut out, &message.method);
    if !params.is_empty() {
        out.push_str(r#","params":"#);
        out.push_str(params);
    }
    out.push('}');
    out
}

fn push_reply(out: &mut String, reply: &Reply) {
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(reply.id.as_str());
    match &reply.outcome {
        Ok(result) => {
            out.push_str(r#","result":"#);
            out.push_str(result.get());
        }
        Err(error) => {
            out.push_str(r#","error":"#);
            out.push_str(&serde_json::to_string(error).expect("an error has only string keys"));
        }
    }
    out.push('}');
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string is always JSON"));
}
