use orchestrator_rpc::{Code, Error, Message, Reply, parse_params};
use serde_json::value::{RawValue, to_raw_value};

use super::arrival::Arrival;
use super::connect::{Ready, check_protocol, close_for, narrowed};
use super::dialect::{Dialect, Replies};
use super::hello::Connected;
use super::operations::{ALREADY, ConnectParams};
use crate::shared::Shared;

/// The first frame of a connection whose upgrade carried a credential, if it is an `auth.connect` all the same: to say who
/// the client is, to ask for less than it may do, and to show a resume token.
pub(crate) struct Greeting {
    pub(crate) ready: Ready,
    pub(crate) dialect: Dialect,
    pub(crate) message: Message,
}

impl Greeting {
    /// Answers as to those who authenticate by their first frame. `None` if the connection was closed.
    pub(crate) async fn answered(self, shared: &Shared) -> Option<Ready> {
        let Self { mut ready, dialect, message } = self;
        let outcome = greeted(shared, &mut ready, &message).await;
        let mismatch = outcome.as_ref().err().filter(|error| error.code == Code::ProtocolMismatch).map(close_for);
        let reply = message.id.map(|id| Replies::One(Reply { id, outcome }));
        let text = reply.and_then(|reply| dialect.encode(&reply, &*shared.clock));
        let pushed = text.map_or(Ok(()), |text| ready.socket.push(text));
        match mismatch.map_or(pushed, Err) {
            Ok(()) => Some(ready),
            Err(close) => {
                ready.socket.close(close, Some(dialect)).await;
                None
            }
        }
    }
}

/// Nothing has changed if it fails: the connection goes on as it was.
async fn greeted(shared: &Shared, ready: &mut Ready, message: &Message) -> Result<Box<RawValue>, Error> {
    let params: ConnectParams = parse_params(message.params.as_deref())?;
    if params.auth.is_some() {
        return Err(Error::conflict(ALREADY));
    }
    check_protocol(&params)?;
    let introduction = params.introduction()?;
    let caller = narrowed(ready.caller.clone(), params.scopes);
    let arrival = Arrival::of(shared, &caller, params.resume_token.as_deref()).await?;
    let hello = to_raw_value(&Connected::new(shared, &caller, ready.id, &arrival)).map_err(Error::internal)?;
    ready.seat.peer.introduced(introduction);
    (ready.caller, ready.arrival) = (caller, arrival);
    Ok(hello)
}
