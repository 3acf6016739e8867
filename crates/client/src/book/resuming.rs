//! How subscriptions go on: at a new connection, or at a new process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::value::to_raw_value;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{Book, Pending, encode};
use crate::greeting::{Hello, Kept};
use crate::topic::{Claimed, Offered, Opened, State, Topic};
use crate::{Delivery, Error, Resumption, Topics};

impl Book {
    /// Whether there is something that a window keeps, and so a reason to show its token.
    pub(crate) fn is_durable(&self) -> bool {
        self.topics.values().any(Topic::is_durable)
    }

    /// A new connection: subscriptions go on where they were, and calls are sent again. `hello` is the answer to a resume
    /// token, if one was shown.
    pub(crate) fn regained(&mut self, hello: Option<Hello>, out: &mut Vec<Message>) {
        if let Some(Hello { resume_token, subscriptions }) = hello {
            self.token.replace(resume_token);
            subscriptions.into_iter().for_each(|kept| self.kept(kept, out));
        }
        // What nobody has asked for here is no loss to anybody here.
        self.topics.retain(|_, topic| topic.unclaimed.is_none() || topic.state != State::Idle);
        let idle: Vec<u64> =
            self.topics.iter().filter(|(_, topic)| topic.state == State::Idle).map(|(key, _)| *key).collect();
        for topic in self.topics.values_mut() {
            if topic.is_durable() && matches!(topic.state, State::Idle | State::Behind(None)) {
                topic.resumption = Resumption::WindowLost;
            }
        }
        idle.into_iter().for_each(|key| self.subscribe(key, out));
        let again = self.pending.values().filter_map(|pending| match pending {
            Pending::Call { again, .. } => again.clone(),
            _ => None,
        });
        let again: Vec<Utf8Bytes> = again.collect();
        out.extend(again.into_iter().map(Message::Text));
    }

    /// A subscription of the window, which the daemon sends from here on.
    fn kept(&mut self, kept: Kept, out: &mut Vec<Message>) {
        match self.durable(&kept.subscription_id) {
            Some(key) => self.goes_on(key, &kept, out),
            // Somebody may ask for it; what comes until then waits as for a slow subscriber.
            None if kept.requires_ack => self.keep(kept),
            // It went on by its number, or ended while there was no connection.
            None => self.unsubscribe(kept.subscription_id, None, out),
        }
    }

    fn durable(&self, name: &str) -> Option<u64> {
        let mut topics = self.topics.iter();
        topics.find(|(_, topic)| topic.topics.durable.as_deref() == Some(name)).map(|(key, _)| *key)
    }

    fn goes_on(&mut self, key: u64, kept: &Kept, out: &mut Vec<Message>) {
        let Some(topic) = self.topics.get_mut(&key) else { return };
        let id = kept.subscription_id.clone();
        if topic.state == State::Behind(None) {
            topic.state = State::Behind(Some(id));
            return;
        }
        topic.state = State::Live(id.clone());
        topic.topics.after_seq.get_or_insert(kept.after_seq);
        self.live.insert(id, key);
        let offered = match topic.opened.take() {
            // The subscription was made, and its answer was lost.
            Some(opened) => topic.opens(opened, kept.after_seq, None),
            None => topic.offer(Delivery::Resumed(Resumption::Window)),
        };
        self.settle(key, offered, out);
        self.acknowledge(key, out);
    }

    fn keep(&mut self, kept: Kept) {
        let key = self.next_id();
        let (feed, receiver) = mpsc::channel(self.events_queued_max);
        let topics = Topics { after_seq: Some(kept.after_seq), ..Topics::new(kept.events) };
        let topic = Topic {
            unclaimed: Some(receiver),
            state: State::Live(kept.subscription_id.clone()),
            ..Topic::new(topics.durable(kept.subscription_id.clone()), feed, Arc::new(AtomicBool::new(false)))
        };
        topic.ack.seq.store(kept.after_seq, Ordering::SeqCst);
        self.live.insert(kept.subscription_id, key);
        self.topics.insert(key, topic);
    }

    /// Opens a subscription: one that the window has kept, if it has the name of one, or else a new one.
    pub(super) fn open(&mut self, key: u64, topic: Topic, out: &mut Vec<Message>) {
        let same = topic.topics.durable.as_deref().and_then(|name| self.durable(name));
        match same {
            None => {
                self.topics.insert(key, topic);
                self.subscribe(key, out);
            }
            Some(old) => match self.claim(old, key, &topic) {
                Ok(claimed) => {
                    let offered = topic.opened.map_or(Offered::Gone, |opened| match opened.send(Ok(claimed)) {
                        Ok(()) => Offered::Taken,
                        Err(_) => Offered::Gone,
                    });
                    self.settle(key, offered, out);
                    self.acknowledge(key, out);
                }
                Err(message) => topic.fail(Error::Refused(orchestrator_rpc::Error::conflict(message))),
            },
        }
    }

    /// Gives what was kept for whoever asks for it to the one who does, under its key.
    fn claim(&mut self, old: u64, key: u64, wanted: &Topic) -> Result<Opened, String> {
        let name = wanted.topics.durable.clone().unwrap_or_default();
        let kept = self.topics.get_mut(&old).ok_or("it has just ended")?;
        if kept.unclaimed.is_none() {
            return Err(format!("this client has a subscription `{name}`"));
        }
        if kept.topics.events != wanted.topics.events {
            let events = kept.topics.events.join(", ");
            return Err(format!("the subscription `{name}` of this window listens to {events}"));
        }
        let feed = kept.unclaimed.take().ok_or("it has just been claimed")?;
        let given = wanted.topics.after_seq.unwrap_or_default();
        let after_seq = kept.ack.seq.fetch_max(given, Ordering::SeqCst).max(given);
        kept.topics.filter.clone_from(&wanted.topics.filter);
        kept.topics.after_seq = kept.topics.after_seq.max(Some(after_seq));
        let claimed = Claimed { feed, behind: kept.behind.clone(), ack: kept.ack.clone() };
        if let Some(topic) = self.topics.remove(&old) {
            if let State::Live(id) = &topic.state {
                self.live.insert(id.clone(), key);
            }
            self.topics.insert(key, topic);
        }
        Ok(Opened { after_seq, resumed: Some(Resumption::Window), claimed: Some(claimed) })
    }

    /// Tells the daemon how far the subscriber is. What is lost with a connection is told again at the next one.
    pub(crate) fn acknowledge(&mut self, key: u64, out: &mut Vec<Message>) {
        let Some(topic) = self.topics.get(&key) else { return };
        // First, so that whoever acknowledges now says so again.
        topic.ack.is_told.store(false, Ordering::SeqCst);
        let seq = topic.ack.seq.load(Ordering::SeqCst);
        if let State::Live(id) | State::Behind(Some(id)) = &topic.state
            && topic.is_durable()
        {
            let params = serde_json::json!({ "seq": seq, "subscriptionId": id });
            let params = to_raw_value(&params).expect("strings and numbers are JSON");
            out.push(Message::text(encode(None, "event.ack", Some(params))));
        }
    }
}
