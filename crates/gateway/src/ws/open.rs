use std::net::IpAddr;

use orchestrator_rpc::{Call, Message, Reply, Request};
use tokio::time::Instant;

use crate::http::Refusal;
use crate::perform::perform;
use crate::shared::{ConnectionId, Shared};

/// Answers a call of an open operation on a connection that has not authenticated yet: it may be what it takes to do so.
pub(crate) async fn answered(shared: &Shared, message: Message, address: IpAddr, id: ConnectionId) -> Option<Reply> {
    let Message { id: reply_to, method, params } = message;
    let outcome = match shared.stranger(address).map_err(Refusal::into_error) {
        Ok(caller) => {
            let call = Call::new(caller, id.to_string()).with_deadline(Instant::now() + shared.config.call_timeout);
            perform(shared, Request { call, method, params }).await
        }
        Err(error) => Err(error),
    };
    reply_to.map(|id| Reply { id, outcome })
}
