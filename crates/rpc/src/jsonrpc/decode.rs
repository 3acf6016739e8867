use std::fmt;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{BATCH_MAX, Frame, Incoming, Message, Reply, RequestId};
use crate::Error;
use crate::members::Members;

/// Takes a frame apart. Never fails: what is not a message becomes the reply that says so.
///
/// Parameters are not looked into; the operation does that ([`parse_params`](crate::parse_params)).
pub fn decode(frame: &[u8]) -> Frame {
    let Ok(text) = std::str::from_utf8(frame) else {
        return Frame::Single(refused(RequestId::null(), Error::parse("not UTF-8")));
    };
    if !text.trim_start_matches(WHITESPACE).starts_with('[') {
        return Frame::Single(message(text));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let items = json.deserialize_seq(Batch).and_then(|items| json.end().map(|()| items));
    match items {
        Err(error) => Frame::Single(refused(RequestId::null(), not_json(&error))),
        Ok(Some(items)) if !items.is_empty() => {
            Frame::Batch(items.into_iter().map(|item| message(item.get())).collect())
        }
        Ok(Some(_)) => Frame::Single(refused(RequestId::null(), Error::invalid_request("the batch is empty"))),
        Ok(None) => {
            let error = Error::invalid_request(format!("a batch holds at most {BATCH_MAX} messages"));
            Frame::Single(refused(RequestId::null(), error))
        }
    }
}

/// What JSON (RFC 8259) calls whitespace.
const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

fn message(text: &str) -> Incoming {
    let members = match Members::read(text, ["jsonrpc", "id", "method", "params"]) {
        Ok(members) => members,
        Err(error) => return refused(RequestId::null(), error),
    };
    let id = members.raw("id").map(|raw| RequestId::from_json(raw.get()));
    // An error is answered to the id that can be told, even if the message without one might be a notification.
    let reply_to = || id.clone().flatten().unwrap_or_else(RequestId::null);
    match parts(&members) {
        Err(error) => refused(reply_to(), error),
        Ok(_) if id == Some(None) => refused(reply_to(), Error::invalid_request("`id` is a string, a number or null")),
        Ok((method, params)) => Incoming::Message(Message { id: id.flatten(), method, params }),
    }
}

fn parts(members: &Members<'_, 4>) -> Result<(String, Option<Box<RawValue>>), Error> {
    members.check()?;
    if members.text("jsonrpc").as_deref() != Some("2.0") {
        return Err(Error::invalid_request("`jsonrpc` is \"2.0\""));
    }
    let Some(method) = members.text("method") else {
        return Err(Error::invalid_request("`method` is a string"));
    };
    let params = members.some("params");
    if params.is_some_and(|raw| !raw.get().starts_with(['{', '['])) {
        return Err(Error::invalid_request("`params` is an object"));
    }
    Ok((method.into_owned(), params.map(ToOwned::to_owned)))
}

fn refused(id: RequestId, error: Error) -> Incoming {
    Incoming::Refused(Reply { id, outcome: Err(error) })
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::parse(format!("not JSON: {error}"))
}

/// The items of a batch, or `None` if they are too many: the rest is only checked to be JSON, and not kept.
struct Batch;

impl<'de> Visitor<'de> for Batch {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < BATCH_MAX {
            match items.next_element()? {
                Some(item) => kept.push(item),
                None => return Ok(Some(kept)),
            }
        }
        let mut complete = true;
        while items.next_element::<IgnoredAny>()?.is_some() {
            complete = false;
        }
        Ok(complete.then_some(kept))
    }
}
