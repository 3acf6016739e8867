use std::collections::{HashMap, VecDeque};

use futures::{SinkExt as _, StreamExt as _};
use orchestrator_rpc::Error;
use orchestrator_rpc::jsonrpc::{Message, Received, RequestId, decode_received, encode_message};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::patiently;

/// A WebSocket that speaks JSON-RPC 2.0. Events that arrive while a reply is waited for are kept for
/// [`next_event`](Self::next_event).
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
    replies: HashMap<u64, Result<Value, Error>>,
    events: VecDeque<Event>,
}

/// An event as a subscriber gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// For example `task.created`.
    pub name: String,
    /// What it says.
    pub payload: Value,
    /// Its place in the log of the organisation; transient ones have none.
    pub seq: Option<u64>,
    /// Which subscription matched; empty for what the daemon says of itself.
    pub subscription_id: String,
}

/// The connection has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The close code, if the daemon said goodbye.
    pub code: Option<u16>,
    /// What it said, or what broke.
    pub reason: String,
}

/// The upgrade was refused, or there was no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unopened {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Its body, or what went wrong.
    pub body: String,
}

impl Socket {
    /// Upgrades with these headers. `url` is that of the daemon, with or without a path (`/ws` if without).
    ///
    /// # Errors
    /// [`Unopened`], with the daemon's answer.
    pub async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self, Unopened> {
        let url = url.replacen("http", "ws", 1);
        let path = if url.matches('/').count() > 2 { "" } else { "/ws" };
        let mut request = format!("{url}{path}").into_client_request().map_err(unopened)?;
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a test's header is one");
            request.headers_mut().insert(name, value.parse().expect("a test's header value is one"));
        }
        // Small buffers: a bench holds thousands of these.
        let config = WebSocketConfig::default().read_buffer_size(16 << 10).max_message_size(None).max_frame_size(None);
        let connecting = Box::pin(tokio_tungstenite::connect_async_with_config(request, Some(config), true));
        let (stream, _) = patiently("a WebSocket", connecting).await.map_err(unopened)?;
        Ok(Self { stream, next_id: 1, replies: HashMap::new(), events: VecDeque::new() })
    }

    /// Authenticates as the first call, which may resume what an earlier connection was at.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn arrive(url: &str, token: &str, resume: Option<&str>) -> (Self, Value) {
        let mut socket = match Self::open(url, &[]).await {
            Ok(socket) => socket,
            Err(unopened) => panic!("no WebSocket to {url}: {unopened:?}"),
        };
        let mut params = json!({"auth": {"type": "jwt", "token": token}});
        if let Some(resume) = resume {
            params["resumeToken"] = json!(resume);
        }
        let hello = socket.call("auth.connect", params).await.expect("to be let in");
        (socket, hello)
    }

    /// Says goodbye and waits until the daemon has heard it.
    pub async fn leave(mut self) {
        // Gone already is as good.
        let _ = self.stream.send(tungstenite::Message::Close(None)).await;
        let hearing = async { while let Some(Ok(_)) = self.stream.next().await {} };
        patiently("the daemon to say goodbye", hearing).await;
    }

    /// Calls and waits for the reply.
    ///
    /// # Panics
    /// If the connection ends first.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Error> {
        match self.exchange(method, params).await {
            Ok(outcome) => outcome,
            Err(gone) => panic!("the connection ended before {method} was answered: {gone:?}"),
        }
    }

    /// The same, for a daemon that may be killed meanwhile.
    ///
    /// # Errors
    /// [`Gone`]: whether the call had its effect is not known.
    pub async fn exchange(&mut self, method: &str, params: Value) -> Result<Result<Value, Error>, Gone> {
        let id = self.send(method, params).await?;
        patiently(method, self.reply(id)).await
    }

    /// Makes many calls of one operation with `in_flight` of them unanswered at a time; answers in the order of the calls.
    ///
    /// # Panics
    /// If the connection ends first.
    pub async fn call_all(
        &mut self,
        method: &str,
        params: impl IntoIterator<Item = Value>,
        in_flight: usize,
    ) -> Vec<Result<Value, Error>> {
        match self.try_call_all(method, params, in_flight).await {
            Ok(outcomes) => outcomes,
            Err(gone) => panic!("the connection ended during calls of {method}: {gone:?}"),
        }
    }

    async fn try_call_all(
        &mut self,
        method: &str,
        params: impl IntoIterator<Item = Value>,
        in_flight: usize,
    ) -> Result<Vec<Result<Value, Error>>, Gone> {
        let (mut waiting, mut outcomes) = (VecDeque::new(), Vec::new());
        for params in params {
            if waiting.len() == in_flight
                && let Some(id) = waiting.pop_front()
            {
                outcomes.push(patiently(method, self.reply(id)).await?);
            }
            waiting.push_back(self.send(method, params).await?);
        }
        for id in waiting {
            outcomes.push(patiently(method, self.reply(id)).await?);
        }
        Ok(outcomes)
    }

    /// Sends a call without waiting; [`reply`](Self::reply) takes the answer.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn send(&mut self, method: &str, params: Value) -> Result<u64, Gone> {
        let id = self.next_id;
        self.next_id += 1;
        let params = Some(to_raw_value(&params).expect("a value is JSON"));
        let message = Message { id: Some(RequestId::number(id)), method: method.to_owned(), params };
        self.send_text(&encode_message(&message)).await?;
        Ok(id)
    }

    /// Sends a text frame as it is.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn send_text(&mut self, text: &str) -> Result<(), Gone> {
        self.stream.send(tungstenite::Message::text(text)).await.map_err(broken)
    }

    /// Waits for the answer to the call with this id.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn reply(&mut self, id: u64) -> Result<Result<Value, Error>, Gone> {
        loop {
            if let Some(outcome) = self.replies.remove(&id) {
                return Ok(outcome);
            }
            self.receive().await?;
        }
    }

    /// Subscribes to these patterns, from now on.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn subscribe(&mut self, events: &[&str]) -> String {
        self.subscribe_with(json!({"events": events})).await
    }

    /// Subscribes to these patterns, after this number.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn subscribe_after(&mut self, events: &[&str], after_seq: u64) -> String {
        self.subscribe_with(json!({"events": events, "afterSeq": after_seq})).await
    }

    /// Subscribes with these parameters.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn subscribe_with(&mut self, params: Value) -> String {
        let answer = self.call("subscribe", params).await.expect("a subscription");
        answer["subscriptionId"].as_str().expect("a subscription has an id").to_owned()
    }

    /// The next event of any subscription.
    ///
    /// # Panics
    /// If the connection ends or nothing comes.
    pub async fn next_event(&mut self) -> Event {
        match patiently("an event", self.try_next_event()).await {
            Ok(event) => event,
            Err(gone) => panic!("the connection ended while an event was waited for: {gone:?}"),
        }
    }

    /// The same, without an end to waiting, for a daemon that may be killed meanwhile.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn try_next_event(&mut self) -> Result<Event, Gone> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            self.receive().await?;
        }
    }

    /// Takes events up to and with the first that fits.
    ///
    /// # Panics
    /// If the connection ends or none comes; with the events that did.
    pub async fn events_until(&mut self, what: &str, mut fits: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        let waiting = async {
            loop {
                let event = self.try_next_event().await?;
                events.push(event);
                if events.last().is_some_and(&mut fits) {
                    return Ok::<(), Gone>(());
                }
            }
        };
        match tokio::time::timeout(crate::PATIENCE, waiting).await {
            Ok(Ok(())) => events,
            Ok(Err(gone)) => panic!("the connection ended while {what} was waited for: {gone:?}"),
            Err(_) => {
                let names: Vec<_> = events.iter().map(|event| format!("{} {}", event.name, event.payload)).collect();
                panic!("waited {:?} in vain for {what}; there came {names:#?}", crate::PATIENCE)
            }
        }
    }

    /// The first event of this name about this subject (its `taskId`, `sessionId`, `memoryId` and the like).
    pub async fn event_about(&mut self, name: &str, id: &Value) -> Event {
        let is_about = |event: &Event| {
            let ids = ["taskId", "sessionId", "scheduleId", "agentId", "memoryId"];
            event.name == name && ids.iter().any(|key| &event.payload[*key] == id)
        };
        let events = self.events_until(&format!("{name} of {id}"), is_about).await;
        events.into_iter().next_back().expect("it ends with the one that fits")
    }

    /// Waits until the daemon closes the connection.
    pub async fn closed(&mut self) -> Gone {
        let reading = async {
            loop {
                if let Err(gone) = self.receive().await {
                    return gone;
                }
            }
        };
        patiently("the daemon to close the connection", reading).await
    }

    /// The next text frame as it came.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn receive_text(&mut self) -> Result<String, Gone> {
        patiently("a frame", self.frame()).await
    }

    async fn receive(&mut self) -> Result<(), Gone> {
        let text = self.frame().await?;
        match decode_received(text.as_bytes()).unwrap_or_else(|error| panic!("not a message: {error}: {text}")) {
            Received::Reply(reply) => {
                let id = reply.id.as_str().parse().unwrap_or_else(|_| panic!("a reply nobody waits for: {text}"));
                let read = |result: Box<serde_json::value::RawValue>| {
                    serde_json::from_str(result.get()).expect("raw JSON is JSON")
                };
                self.replies.insert(id, reply.outcome.map(read));
            }
            Received::Event(event) => {
                let payload = serde_json::from_str(event.payload.get()).expect("raw JSON is JSON");
                let (name, seq) = (event.name, event.seq);
                let subscription_id = event.subscription_id.unwrap_or_default();
                self.events.push_back(Event { name, payload, seq, subscription_id });
            }
        }
        Ok(())
    }

    async fn frame(&mut self) -> Result<String, Gone> {
        loop {
            match self.stream.next().await {
                Some(Ok(tungstenite::Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(tungstenite::Message::Close(Some(close)))) => {
                    return Err(Gone { code: Some(close.code.into()), reason: close.reason.as_str().to_owned() });
                }
                Some(Ok(tungstenite::Message::Close(None))) | None => {
                    return Err(Gone { code: None, reason: "closed without a word".to_owned() });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    }
}

fn broken(error: tungstenite::Error) -> Gone {
    Gone { code: None, reason: error.to_string() }
}

fn unopened(error: tungstenite::Error) -> Unopened {
    match error {
        tungstenite::Error::Http(response) => {
            let body = response.body().as_deref().map(|body| String::from_utf8_lossy(body).into_owned());
            Unopened { status: Some(response.status().as_u16()), body: body.unwrap_or_default() }
        }
        error => Unopened { status: None, body: error.to_string() },
    }
}
