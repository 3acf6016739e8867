use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Reply, RequestId};
use crate::Error;

/// What a client receives.
#[derive(Debug, Clone)]
pub enum Received {
    /// The answer to a call.
    Reply(Reply),
    /// Something happened that the client subscribed to.
    Event(Event),
}

/// An event as it is sent to a subscriber.
#[derive(Debug, Clone)]
pub struct Event {
    /// For example `task.completed`.
    pub name: String,
    /// What the event says.
    pub payload: Box<RawValue>,
    /// Its place in the organisation's log, from 1; transient events have none.
    pub seq: Option<u64>,
    /// The subscription that matched; what the server says of itself has none.
    pub subscription_id: Option<String>,
}

/// Takes apart what a server sent. Members that are not known are ignored, so that clients outlive servers.
///
/// # Errors
/// [`Code::Parse`](crate::Code::Parse): this is no server of ours; close the connection.
pub fn decode_received(frame: &[u8]) -> Result<Received, Error> {
    let wire: Wire = serde_json::from_slice(frame).map_err(|error| Error::parse(format!("not a message: {error}")))?;
    match wire {
        Wire { method: Some(name), params: Some(told), .. } => {
            let Told { payload, seq, subscription_id } = told;
            Ok(Received::Event(Event { name, payload, seq, subscription_id }))
        }
        Wire { id: Some(id), result, error, .. } => {
            let id = RequestId::from_json(id.get()).ok_or_else(|| Error::parse("the reply's id is no id"))?;
            let outcome = match (result, error) {
                (Some(result), None) => Ok(result),
                (None, Some(error)) => Err(error),
                _ => return Err(Error::parse("a reply has either a result or an error")),
            };
            Ok(Received::Reply(Reply { id, outcome }))
        }
        _ => Err(Error::parse("neither a reply nor an event")),
    }
}

#[derive(Deserialize)]
struct Wire {
    // `null` is an id and a result: `Option` alone would take it for absent.
    #[serde(default, deserialize_with = "present")]
    id: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Error>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Told>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    payload: Box<RawValue>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    subscription_id: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
