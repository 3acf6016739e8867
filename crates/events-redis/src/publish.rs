//! The sending half.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_redis::Connection;
use orchestrator_events::Event;
use orchestrator_vocab::OrgId;
use redis::Pipeline;

use crate::Error;
use crate::circuit::{Circuit, add};
use crate::message::{Message, Piece};
use crate::queues::{Load, Queues};
use crate::session::Session;
use crate::stream::{EVENT, ensure_genuine};

/// Events in the stream of an organisation.
pub(crate) const STREAM_MAX: usize = 1_000;
/// A sign of life goes out after so much silence: it shows whether Redis answers, and whether the channel works.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// Larger events are left to the log.
const EVENT_BYTES_MAX: usize = 64 * 1024;
/// How often what is too old is removed from the stream of an organisation that is in use.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// Sends what is offered, until Redis fails.
pub(crate) async fn run(session: &Session, queues: &Queues, circuit: &Circuit) -> Result<(), Error> {
    let mut connection = session.connection().await?;
    loop {
        let load = tokio::time::timeout(BEAT, queues.load()).await.unwrap_or_default();
        let on_its_way = OnItsWay::new(queues, circuit, &load);
        send(session, &mut connection, circuit, &load, &on_its_way.lost).await?;
        on_its_way.arrived();
    }
}

/// What is live only and about to be sent, and what is to be told of. Dropped before it has arrived, also because nobody
/// waits for it any more, all of it counts as lost.
struct OnItsWay<'a> {
    queues: &'a Queues,
    circuit: &'a Circuit,
    lost: BTreeMap<OrgId, u64>,
    pieces: Vec<OrgId>,
}

impl<'a> OnItsWay<'a> {
    fn new(queues: &'a Queues, circuit: &'a Circuit, load: &Load) -> Self {
        let pieces = load.pieces.iter().map(|piece| piece.org).collect();
        Self { queues, circuit, lost: queues.take_lost(), pieces }
    }

    fn arrived(mut self) {
        self.lost.clear();
        self.pieces.clear();
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        add(&self.circuit.counts.pieces_dropped, self.pieces.len());
        let lost = std::mem::take(&mut self.lost);
        self.queues.lost(lost.into_iter().chain(self.pieces.drain(..).map(|org| (org, 1))));
    }
}

async fn send(
    session: &Session,
    connection: &mut Connection,
    circuit: &Circuit,
    load: &Load,
    lost: &BTreeMap<OrgId, u64>,
) -> Result<(), Error> {
    let mut commands = Pipeline::new();
    let mut grown = BTreeMap::<OrgId, u64>::new();
    let mut sent = 0;
    for event in &load.events {
        ensure_genuine(session, connection, event.org).await?;
        let Some(text) = text(event) else { continue };
        sent += 1;
        let highest = grown.entry(event.org).or_default();
        *highest = event.seq.max(*highest);
        let command = commands.cmd("XADD").arg(session.keys.stream(event.org));
        command.arg("MAXLEN").arg("=").arg(STREAM_MAX).arg("*").arg(EVENT).arg(text).ignore();
    }
    for org in grown.keys() {
        limit_age(session, &mut commands, circuit, *org);
    }
    let pieces = load.pieces.iter().map(|piece| Piece::from(&**piece)).collect();
    let message = Message { node: session.node.clone(), grown, lost: lost.clone(), pieces };
    let message = serde_json::to_string(&message).map_err(|_| Error::Config("a message is not JSON"))?;
    commands.cmd("PUBLISH").arg(session.keys.channel()).arg(message).ignore();
    session.ask::<()>(connection, &commands).await?;
    add(&circuit.counts.events_sent, sent);
    add(&circuit.counts.pieces_sent, load.pieces.len());
    if sent < load.events.len() {
        add(&circuit.counts.events_not_sent, load.events.len() - sent);
        session.inbox.was_not_carried();
    }
    Ok(())
}

fn text(event: &Event) -> Option<String> {
    serde_json::to_string(event).ok().filter(|text| text.len() <= EVENT_BYTES_MAX)
}

/// Streams of those who have stopped vanish as a whole; from those in use what is too old is removed now and then.
fn limit_age(session: &Session, commands: &mut Pipeline, circuit: &Circuit, org: OrgId) {
    let key = session.keys.stream(org);
    if session.is_due_for_trimming(org, TRIM_EVERY) {
        let oldest = (circuit.now() - session.keep).millis().max(0);
        commands.cmd("XTRIM").arg(&key).arg("MINID").arg("=").arg(oldest).ignore();
    }
    let keep_ms = u64::try_from(session.keep.as_millis()).unwrap_or(u64::MAX);
    commands.cmd("PEXPIRE").arg(&key).arg(keep_ms).ignore();
}
