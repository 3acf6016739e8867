use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orchestrator_rpc::jsonrpc::{self, Reply, RequestId};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::topic::{Offered, State, Topic};
use crate::{Delivery, Error};

/// Between two attempts to go on with a subscription that the daemon does not want now, unless it says how long.
const PUT_OFF: Duration = Duration::from_secs(1);

pub(crate) type Answer = Result<Box<RawValue>, Error>;

/// What a handle asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    Call(Call),
    Subscribe(u64, Box<Topic>),
}

/// A call, ready to be sent.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) text: Utf8Bytes,
    pub(crate) may_repeat: bool,
    pub(crate) reply: oneshot::Sender<Answer>,
}

#[derive(Debug)]
enum Pending {
    /// With its text, if it may be sent again.
    Call {
        reply: oneshot::Sender<Answer>,
        again: Option<Utf8Bytes>,
    },
    Subscribe {
        key: u64,
    },
    Unsubscribe,
}

/// What outlives a connection: calls without an answer and subscriptions. It knows no socket: what it wants sent it
/// puts into `out`.
#[derive(Debug)]
pub(crate) struct Book {
    ids: Arc<AtomicU64>,
    pending: HashMap<u64, Pending>,
    pending_max: usize,
    topics: HashMap<u64, Topic>,
    /// The daemon's ids.
    live: HashMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribed {
    subscription_id: String,
    after_seq: u64,
}

impl Book {
    pub(crate) fn new(ids: Arc<AtomicU64>, calls_in_flight_max: usize) -> Self {
        let pending_max = calls_in_flight_max.saturating_mul(2);
        Self { ids, pending: HashMap::new(), pending_max, topics: HashMap::new(), live: HashMap::new() }
    }

    pub(crate) fn command(&mut self, command: Command, out: &mut Vec<Message>) {
        match command {
            Command::Call(call) => self.call(call, out),
            Command::Subscribe(key, topic) => {
                self.topics.insert(key, *topic);
                self.subscribe(key, out);
            }
        }
    }

    fn call(&mut self, call: Call, out: &mut Vec<Message>) {
        if call.reply.is_closed() {
            return; // its caller has given up
        }
        if self.pending.len() >= self.pending_max {
            // Calls that were given up and never answered must not pile up.
            self.pending.retain(|_, pending| !matches!(pending, Pending::Call { reply, .. } if reply.is_closed()));
        }
        let again = call.may_repeat.then(|| call.text.clone());
        self.pending.insert(call.id, Pending::Call { reply: call.reply, again });
        out.push(Message::Text(call.text));
    }

    fn ask(&mut self, method: &str, params: Box<RawValue>, pending: Pending, out: &mut Vec<Message>) {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        self.pending.insert(id, pending);
        out.push(Message::text(encode(id, method, Some(params))));
    }

    fn subscribe(&mut self, key: u64, out: &mut Vec<Message>) {
        let Some(topic) = self.topics.get_mut(&key) else { return };
        topic.state = State::Asked;
        let params = to_raw_value(&topic.topics).expect("topics have string keys only");
        self.ask("subscribe", params, Pending::Subscribe { key }, out);
    }

    fn unsubscribe(&mut self, id: String, out: &mut Vec<Message>) {
        self.live.remove(&id);
        let params = to_raw_value(&serde_json::json!({ "subscriptionId": id })).expect("a string is JSON");
        self.ask("unsubscribe", params, Pending::Unsubscribe, out);
    }

    pub(crate) fn reply(&mut self, reply: Reply, out: &mut Vec<Message>) {
        let pending = reply.id.as_str().parse().ok().and_then(|id: u64| self.pending.remove(&id));
        match pending {
            Some(Pending::Call { reply: to, .. }) => drop(to.send(reply.outcome.map_err(Error::Refused))),
            Some(Pending::Subscribe { key }) => self.subscribed(key, reply.outcome.map_err(Error::Refused), out),
            Some(Pending::Unsubscribe) => {}
            None => tracing::debug!(id = reply.id.as_str(), "an answer to nothing"),
        }
    }

    fn subscribed(&mut self, key: u64, outcome: Answer, out: &mut Vec<Message>) {
        let read = |result: Box<RawValue>| {
            serde_json::from_str::<Subscribed>(result.get())
                .map_err(|error| Error::Unexpected { method: "subscribe".into(), source: Arc::new(error) })
        };
        let subscribed = match outcome.and_then(read) {
            Ok(subscribed) => subscribed,
            Err(error) => return self.not_subscribed(key, error),
        };
        let id = subscribed.subscription_id;
        let Some(topic) = self.topics.get_mut(&key) else {
            return self.unsubscribe(id, out); // dropped meanwhile
        };
        self.live.insert(id.clone(), key);
        topic.state = State::Live(id);
        topic.topics.after_seq.get_or_insert(subscribed.after_seq);
        let offered = match topic.opened.take() {
            Some(opened) => opened.send(Ok(subscribed.after_seq)).map_or(Offered::Gone, |()| Offered::Taken),
            None => topic.offer(Delivery::Resumed),
        };
        self.settle(key, offered, out);
    }

    fn not_subscribed(&mut self, key: u64, error: Error) {
        let may_come_back = self.topics.get(&key).is_some_and(|topic| topic.opened.is_none()) && error.is_retryable();
        if may_come_back {
            let until = Instant::now() + error.retry_after().unwrap_or(PUT_OFF);
            self.topics.entry(key).and_modify(|topic| topic.state = State::PutOff(until));
        } else if let Some(topic) = self.topics.remove(&key) {
            topic.fail(error);
        }
    }

    pub(crate) fn event(&mut self, event: jsonrpc::Event, out: &mut Vec<Message>) {
        // What is about no subscription of ours is for people who look at the wire.
        let Some(&key) = event.subscription_id.as_ref().and_then(|id| self.live.get(id)) else { return };
        let Some(topic) = self.topics.get_mut(&key) else { return };
        let offered = topic.offer_event(event);
        self.settle(key, offered, out);
    }

    fn settle(&mut self, key: u64, offered: Offered, out: &mut Vec<Message>) {
        match offered {
            Offered::Taken => {}
            Offered::Gone => self.drop_topic(key, out),
            Offered::Full => {
                let Some(topic) = self.topics.get_mut(&key) else { return };
                let before = topic.state.clone();
                let has_caught_up = topic.falls_behind();
                if let State::Live(id) = before {
                    self.unsubscribe(id, out);
                }
                if has_caught_up {
                    self.subscribe(key, out);
                }
            }
        }
    }

    /// The subscriber has read all it had.
    pub(crate) fn resume(&mut self, key: u64, out: &mut Vec<Message>) {
        if self.topics.get(&key).is_some_and(|topic| topic.state == State::Behind) {
            self.subscribe(key, out);
        }
    }

    pub(crate) fn drop_topic(&mut self, key: u64, out: &mut Vec<Message>) {
        if let Some(Topic { state: State::Live(id), .. }) = self.topics.remove(&key) {
            self.unsubscribe(id, out);
        }
    }

    /// The first moment at which [`Book::due`] has something to do.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let moments = self.topics.values().filter_map(|topic| match topic.state {
            State::PutOff(until) => Some(until),
            _ => None,
        });
        moments.min()
    }

    pub(crate) fn due(&mut self, out: &mut Vec<Message>) {
        let now = Instant::now();
        let is_due = |topic: &Topic| matches!(topic.state, State::PutOff(until) if until <= now);
        let due: Vec<u64> = self.topics.iter().filter(|(_, topic)| is_due(topic)).map(|(key, _)| *key).collect();
        due.into_iter().for_each(|key| self.subscribe(key, out));
    }

    /// A connection was lost: what may not be sent again fails.
    pub(crate) fn lost(&mut self) {
        self.live.clear();
        for topic in self.topics.values_mut().filter(|topic| topic.state != State::Behind) {
            topic.state = State::Idle;
        }
        for (id, pending) in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Call { reply, again: Some(text) } if !reply.is_closed() => {
                    self.pending.insert(id, Pending::Call { reply, again: Some(text) });
                }
                Pending::Call { reply, .. } => drop(reply.send(Err(Error::Disconnected))),
                Pending::Subscribe { .. } | Pending::Unsubscribe => {}
            }
        }
    }

    /// A new connection: subscriptions go on where they were, and calls are sent again.
    pub(crate) fn regained(&mut self, out: &mut Vec<Message>) {
        let again: Vec<Utf8Bytes> = self
            .pending
            .values()
            .filter_map(|pending| match pending {
                Pending::Call { again, .. } => again.clone(),
                _ => None,
            })
            .collect();
        let idle: Vec<u64> =
            self.topics.iter().filter(|(_, topic)| topic.state == State::Idle).map(|(key, _)| *key).collect();
        idle.into_iter().for_each(|key| self.subscribe(key, out));
        out.extend(again.into_iter().map(Message::Text));
    }

    /// There will be no other connection.
    pub(crate) fn end(self, error: &Error) {
        for pending in self.pending.into_values() {
            if let Pending::Call { reply, .. } = pending {
                drop(reply.send(Err(error.clone())));
            }
        }
        let was_closed = matches!(error, Error::Closed);
        for topic in self.topics.into_values().filter(|topic| !was_closed || topic.opened.is_some()) {
            topic.fail(error.clone());
        }
    }
}

pub(crate) fn encode(id: u64, method: &str, params: Option<Box<RawValue>>) -> String {
    jsonrpc::encode_message(&jsonrpc::Message { id: Some(RequestId::number(id)), method: method.into(), params })
}
