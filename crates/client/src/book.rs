mod resuming;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orchestrator_rpc::jsonrpc::{self, Reply, RequestId};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::greeting::Token;
use crate::topic::{Offered, State, Topic};
use crate::{Config, Delivery, Error, Resumption, Topics};

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
    /// With the subscription that takes its place.
    Unsubscribe {
        then: Option<u64>,
    },
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
    token: Token,
    /// A token of an earlier process was shown.
    has_come_back: bool,
    events_queued_max: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    #[serde(flatten)]
    topics: &'a Topics,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_ack: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribed {
    subscription_id: String,
    after_seq: u64,
    #[serde(default)]
    resume_token: Option<String>,
}

impl Book {
    pub(crate) fn new(ids: Arc<AtomicU64>, token: Token, config: &Config) -> Self {
        Self {
            ids,
            pending: HashMap::new(),
            pending_max: config.calls_in_flight_max.saturating_mul(2),
            topics: HashMap::new(),
            live: HashMap::new(),
            token,
            has_come_back: config.resume_token.is_some(),
            events_queued_max: config.events_queued_max.max(1),
        }
    }

    /// What the next connection shows, if there is a reason to.
    pub(crate) fn token(&self) -> Option<SecretString> {
        self.token.get().filter(|_| self.is_durable())
    }

    /// Another connection has the window.
    pub(crate) fn taken_over(&self) {
        self.token.forget();
    }

    pub(crate) fn command(&mut self, command: Command, out: &mut Vec<Message>) {
        match command {
            Command::Call(call) => self.call(call, out),
            Command::Subscribe(key, topic) => self.open(key, *topic, out),
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
        let id = self.next_id();
        self.pending.insert(id, pending);
        out.push(Message::text(encode(Some(id), method, Some(params))));
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn subscribe(&mut self, key: u64, out: &mut Vec<Message>) {
        let Some(topic) = self.topics.get_mut(&key) else { return };
        topic.state = State::Asked;
        let wanted = Wanted {
            topics: &Topics { after_seq: topic.goes_on_after(), ..topic.topics.clone() },
            subscription_id: topic.topics.durable.as_deref(),
            requires_ack: topic.is_durable().then_some(true),
        };
        let params = to_raw_value(&wanted).expect("topics have string keys only");
        self.ask("subscribe", params, Pending::Subscribe { key }, out);
    }

    fn unsubscribe(&mut self, id: String, then: Option<u64>, out: &mut Vec<Message>) {
        self.live.remove(&id);
        let params = to_raw_value(&serde_json::json!({ "subscriptionId": id })).expect("a string is JSON");
        self.ask("unsubscribe", params, Pending::Unsubscribe { then }, out);
    }

    pub(crate) fn reply(&mut self, reply: Reply, out: &mut Vec<Message>) {
        let pending = reply.id.as_str().parse().ok().and_then(|id: u64| self.pending.remove(&id));
        match pending {
            Some(Pending::Call { reply: to, .. }) => drop(to.send(reply.outcome.map_err(Error::Refused))),
            Some(Pending::Subscribe { key }) => self.subscribed(key, reply.outcome.map_err(Error::Refused), out),
            Some(Pending::Unsubscribe { then: Some(key) }) => self.subscribe(key, out),
            Some(Pending::Unsubscribe { then: None }) => {}
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
        self.token.replace(subscribed.resume_token);
        let Some(topic) = self.topics.get_mut(&key) else {
            return self.unsubscribe(id, None, out); // dropped meanwhile
        };
        self.live.insert(id.clone(), key);
        topic.state = State::Live(id);
        topic.topics.after_seq.get_or_insert(subscribed.after_seq);
        let resumption = std::mem::replace(&mut topic.resumption, Resumption::Number);
        let offered = match topic.opened.take() {
            Some(opened) => {
                let lost = (self.has_come_back && topic.is_durable()).then_some(Resumption::WindowLost);
                topic.opens(opened, subscribed.after_seq, lost)
            }
            None => topic.offer(Delivery::Resumed(resumption)),
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
                match before {
                    // It stays in the window, whatever becomes of this process; what comes meanwhile is passed over.
                    State::Live(id) if topic.is_durable() => {
                        self.live.remove(&id);
                        topic.state = State::Behind(Some(id));
                    }
                    State::Live(id) => self.unsubscribe(id, None, out),
                    _ => {}
                }
                if has_caught_up {
                    self.resume(key, out);
                }
            }
        }
    }

    /// The subscriber has read all it had.
    pub(crate) fn resume(&mut self, key: u64, out: &mut Vec<Message>) {
        let Some(topic) = self.topics.get_mut(&key) else { return };
        match topic.state.clone() {
            State::Behind(None) => self.subscribe(key, out),
            State::Behind(Some(id)) => {
                topic.state = State::Asked;
                self.unsubscribe(id, Some(key), out);
            }
            _ => {}
        }
    }

    pub(crate) fn drop_topic(&mut self, key: u64, out: &mut Vec<Message>) {
        if let Some(Topic { state: State::Live(id) | State::Behind(Some(id)), .. }) = self.topics.remove(&key) {
            self.unsubscribe(id, None, out);
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
        for topic in self.topics.values_mut() {
            topic.state = match topic.state {
                State::Behind(_) => State::Behind(None),
                _ => State::Idle,
            };
        }
        for (id, pending) in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Call { reply, again: Some(text) } if !reply.is_closed() => {
                    self.pending.insert(id, Pending::Call { reply, again: Some(text) });
                }
                Pending::Call { reply, .. } => drop(reply.send(Err(Error::Disconnected))),
                Pending::Subscribe { .. } | Pending::Unsubscribe { .. } => {}
            }
        }
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

/// Without a number it is not answered.
pub(crate) fn encode(id: Option<u64>, method: &str, params: Option<Box<RawValue>>) -> String {
    jsonrpc::encode_message(&jsonrpc::Message { id: id.map(RequestId::number), method: method.into(), params })
}
