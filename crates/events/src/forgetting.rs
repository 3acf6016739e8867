//! What events say is forgotten; that they happened is not.

use std::sync::Arc;

use orchestrator_redact::{Forget, Forgotten, Shape};
use orchestrator_vocab::OrgId;
use serde_json::Value;

use crate::{Error, Event, Log, Query};

/// How many events are looked at, and written in one transaction.
const PAGE: usize = 500;
/// What of an event's facts is no text: what those who follow it go by.
const FACTS: Shape =
    Shape { kept: &["status", "previousStatus", "priority", "runtime", "agentId", "taskId", "sessionId"], free: &[] };

/// Forgets texts of events: of all of the organisation, or of those about some things, by their ids. Number, id, name and time stay,
/// so whoever goes on after a number does; of what is about somebody, [`ERASED`](orchestrator_redact::ERASED) is left. What is on its
/// way to a subscriber arrives.
///
/// It reads every event up to the highest of now, 500 at a time, and writes those that change in transactions of as many.
///
/// # Errors
/// The log's: some may be gone already.
pub async fn forget(log: &dyn Log, org: OrgId, only: Option<&[String]>, forget: &Forget) -> Result<Forgotten, Error> {
    let (head, mut after, mut erased) = (log.head(org).await?, 0, 0);
    while after < head {
        let query = Query { after: Some(after), limit: PAGE, ..Query::default() };
        let page = log.query(org, query).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        let about = page.iter().filter(|event| only.is_none_or(|ids| is_about(event, ids)));
        let changed: Vec<(Event, u64)> = about.filter_map(|event| left_of(event, forget)).collect();
        erased += changed.iter().map(|(_, texts)| texts).sum::<u64>();
        if forget.changes() && !changed.is_empty() {
            log.replace(org, changed.into_iter().map(|(event, _)| event).collect()).await?;
        }
    }
    Ok(Forgotten { erased, held: 0 })
}

fn is_about(event: &Arc<Event>, ids: &[String]) -> bool {
    fn names(value: &Value, ids: &[String]) -> bool {
        match value {
            Value::String(text) => ids.contains(text),
            Value::Array(items) => items.iter().any(|item| names(item, ids)),
            Value::Object(fields) => fields.values().any(|field| names(field, ids)),
            _ => false,
        }
    }
    event.subject.as_ref().is_some_and(|subject| ids.contains(subject)) || names(&event.payload, ids)
}

fn left_of(event: &Arc<Event>, forget: &Forget) -> Option<(Event, u64)> {
    let (actor, mut texts) = match forget.rewrite(&event.actor, &Shape::FREE) {
        Some((actor, texts)) => (actor, texts),
        None => (event.actor.clone(), 0),
    };
    let mut left = |text: &Option<String>| {
        let gone = text.as_deref().and_then(|text| forget.left_of(text));
        texts += u64::from(gone.is_some());
        gone.or_else(|| text.clone())
    };
    let (subject, correlation) = (left(&event.subject), left(&event.correlation));
    let payload = match forget.rewrite(&event.payload, &FACTS) {
        Some((payload, more)) => {
            texts += more;
            payload
        }
        None => event.payload.clone(),
    };
    (texts > 0).then(|| (Event { actor, subject, correlation, payload, ..Event::clone(event) }, texts))
}
