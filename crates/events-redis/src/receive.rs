//! The receiving half.

use std::collections::BTreeMap;

use deadpool_redis::Connection;
use futures::{FutureExt as _, Stream, StreamExt as _};
use orchestrator_vocab::OrgId;
use redis::Msg;

use crate::Error;
use crate::circuit::{Circuit, add};
use crate::message::Message;
use crate::publish::BEAT;
use crate::session::Session;
use crate::stream;

/// Messages that are looked at together.
const MESSAGES_AT_ONCE: usize = 256;

/// Takes what others send, until Redis fails. One's own signs of life come back too, so silence means that the channel is
/// broken.
pub(crate) async fn run(
    session: &Session,
    mut channel: impl Stream<Item = Msg> + Unpin,
    circuit: &Circuit,
) -> Result<(), Error> {
    let mut connection = session.connection().await?;
    let silence_max = BEAT * 2 + session.patience;
    loop {
        let heard = tokio::time::timeout(silence_max, channel.next()).await.map_err(|_| Error::Silent)?;
        let mut grown = BTreeMap::new();
        let mut more = Some(heard.ok_or_else(closed)?);
        for _ in 0..MESSAGES_AT_ONCE {
            let Some(message) = more.take() else { break };
            take(session, circuit, &message, &mut grown);
            more = channel.next().now_or_never().flatten();
        }
        if let Some(last) = more {
            take(session, circuit, &last, &mut grown);
        }
        for (org, up_to) in grown {
            follow(session, &mut connection, circuit, org, up_to).await?;
        }
    }
}

fn closed() -> Error {
    Error::Redis("the connection was closed".into())
}

/// Delivers what is live only, and notes whose streams have grown.
fn take(session: &Session, circuit: &Circuit, message: &Msg, grown: &mut BTreeMap<OrgId, u64>) {
    let Ok(message) = serde_json::from_slice::<Message>(message.get_payload_bytes()) else { return };
    if message.node == session.node {
        return;
    }
    add(&circuit.counts.pieces_received, message.pieces.len());
    for (org, count) in message.lost {
        session.inbox.output_is_missing(org, count);
    }
    for piece in message.pieces {
        session.inbox.take_transient(piece.into());
    }
    for (org, up_to) in message.grown {
        let highest = grown.entry(org).or_default();
        *highest = up_to.max(*highest);
    }
}

async fn follow(
    session: &Session,
    connection: &mut Connection,
    circuit: &Circuit,
    org: OrgId,
    up_to: u64,
) -> Result<(), Error> {
    let events = stream::newer(session, connection, org).await?;
    add(&circuit.counts.events_received, events.len());
    if !events.is_empty() {
        session.inbox.take(events);
    }
    if session.tail(org).is_none_or(|tail| tail.seq < up_to) {
        // Flushed in between, or the clock of Redis went back: from its beginning, next time.
        session.forget_tail(org);
        session.inbox.look_into_the_log();
    }
    Ok(())
}
