//! Reading the streams.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_redis::Connection;
use orchestrator_events::Event;
use orchestrator_vocab::OrgId;
use redis::Pipeline;

use crate::Error;
use crate::publish::STREAM_MAX;
use crate::session::{Session, Tail};

/// The field of an entry that holds the event as JSON.
pub(crate) const EVENT: &str = "event";

/// How much of a stream is read when it is met for the first time and only what is new matters.
const NEWEST: usize = 100;

type Entry = (String, HashMap<String, String>);

/// Makes sure that the stream belongs to the log as it is now, once for each organisation and session: after a database was
/// put back to an earlier state, its stream tells of events that have never been.
pub(crate) async fn ensure_genuine(session: &Session, connection: &mut Connection, org: OrgId) -> Result<(), Error> {
    if session.is_known_genuine(org) {
        return Ok(());
    }
    let key = session.keys.stream(org);
    let mut newest = Pipeline::new();
    newest.cmd("XREVRANGE").arg(&key).arg("+").arg("-").arg("COUNT").arg(1);
    let (entries,): (Vec<Entry>,) = session.ask(connection, &newest).await?;
    if let Some(entry) = entries.first() {
        let is_genuine = match event(entry) {
            Some(event) => session.inbox.is_genuine(org, &event).await?,
            None => false,
        };
        if !is_genuine {
            tracing::warn!(%org, "the stream in Redis tells of events that the log does not have: it is deleted");
            delete(session, connection, org).await?;
        }
    }
    session.found_genuine(org);
    Ok(())
}

/// Nobody misses it: the log has all that was in it.
pub(crate) async fn delete(session: &Session, connection: &mut Connection, org: OrgId) -> Result<(), Error> {
    let mut delete = Pipeline::new();
    delete.cmd("UNLINK").arg(session.keys.stream(org)).ignore();
    session.ask::<()>(connection, &delete).await
}

/// All that the stream holds.
pub(crate) async fn whole(
    session: &Session,
    connection: &mut Connection,
    org: OrgId,
) -> Result<Vec<Arc<Event>>, Error> {
    ensure_genuine(session, connection, org).await?;
    let mut all = Pipeline::new();
    all.cmd("XRANGE").arg(session.keys.stream(org)).arg("-").arg("+").arg("COUNT").arg(STREAM_MAX);
    let (entries,): (Vec<Entry>,) = session.ask(connection, &all).await?;
    Ok(events(&entries))
}

/// What has come since the last time.
pub(crate) async fn newer(
    session: &Session,
    connection: &mut Connection,
    org: OrgId,
) -> Result<Vec<Arc<Event>>, Error> {
    ensure_genuine(session, connection, org).await?;
    let (key, tail) = (session.keys.stream(org), session.tail(org));
    let mut command = Pipeline::new();
    match &tail {
        Some(tail) => {
            command.cmd("XRANGE").arg(key).arg(format!("({}", tail.id)).arg("+").arg("COUNT").arg(STREAM_MAX);
        }
        None => {
            command.cmd("XREVRANGE").arg(key).arg("+").arg("-").arg("COUNT").arg(NEWEST);
        }
    }
    let (mut entries,): (Vec<Entry>,) = session.ask(connection, &command).await?;
    if tail.is_none() {
        entries.reverse();
    }
    let events = events(&entries);
    if let Some((id, _)) = entries.last() {
        let highest = events.iter().map(|event| event.seq).max().unwrap_or_default();
        let seq = tail.map_or(0, |tail| tail.seq).max(highest);
        session.set_tail(org, Tail { id: id.clone(), seq });
    }
    Ok(events)
}

fn events(entries: &[Entry]) -> Vec<Arc<Event>> {
    entries.iter().filter_map(event).map(Arc::new).collect()
}

/// What cannot be understood is left out: it is missing, and the log has it.
fn event((_, fields): &Entry) -> Option<Event> {
    serde_json::from_str(fields.get(EVENT)?).ok()
}
