use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use orchestrator_client::{Client, Config, Reconnect};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// Longer than anything here should take, so that a hanging test says where it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The resume token of the one window.
pub(crate) const TOKEN: &str = "the-window";

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("this takes far too long")
}

/// What the tests look at and change.
#[derive(Default)]
pub(crate) struct Stage {
    /// The events of the log; numbers start at 1.
    pub(crate) log: Vec<(&'static str, Value)>,
    /// Statuses with which the next upgrades are refused.
    pub(crate) refusals: VecDeque<u16>,
    /// Methods that are received but not answered on the first connection.
    pub(crate) swallow: bool,
    /// A resumed subscription repeats the event it was resumed after.
    pub(crate) overlap: bool,
    /// All methods that were received.
    pub(crate) seen: Vec<String>,
    /// The `Authorization` of all upgrades.
    pub(crate) tokens: Vec<String>,
    /// What the window keeps of subscriptions that have to acknowledge: patterns, and the last number of an `event.ack`.
    pub(crate) window: BTreeMap<String, (Value, usize)>,
    /// Greetings are a conflict, as at a daemon that knows none.
    pub(crate) is_old: bool,
    /// The resume tokens that were shown.
    pub(crate) shown: Vec<String>,
    /// The close code that the next cut sends; without one, the connection just breaks.
    pub(crate) close: Option<u16>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) stage: Arc<Mutex<Stage>>,
    head: watch::Sender<usize>,
    cut: watch::Sender<u32>,
    /// Notified for each swallowed call.
    pub(crate) swallowed: Arc<Notify>,
    _tasks: Arc<JoinSet<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, |stream| async { Some(stream) }).await
    }

    /// With something (TLS) between the socket and the handshake.
    pub(crate) async fn on<S, F>(listener: TcpListener, wrap: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send,
    {
        let mut server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            stage: Arc::default(),
            head: watch::Sender::default(),
            cut: watch::Sender::default(),
            swallowed: Arc::default(),
            _tasks: Arc::default(),
        };
        let serving = server.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(stream) = wrap(stream).await {
                    connections.spawn(serving.clone().connection(stream));
                }
            }
        });
        server._tasks = Arc::new(tasks);
        server
    }

    pub(crate) fn config(&self) -> Config {
        let reconnect = Reconnect {
            delay_first: Duration::from_millis(1),
            delay_max: Duration::from_millis(20),
            attempts_max: None,
        };
        Config { reconnect, ..Config::new(&self.url).token("orc_secret") }
    }

    pub(crate) async fn client(&self) -> Client {
        patiently(Client::connect(self.config())).await.unwrap()
    }

    pub(crate) fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap()
    }

    pub(crate) fn publish(&self, name: &'static str, payload: Value) {
        self.stage().log.push((name, payload));
        self.head.send_modify(|head| *head += 1);
    }

    /// Breaks all connections.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    fn refusal(&self, request: &Request) -> Option<ErrorResponse> {
        let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let mut stage = self.stage();
        stage.tokens.push(token.unwrap_or_default());
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = stage.refusals.pop_front()?.try_into().unwrap();
        refusal.headers_mut().insert("retry-after", "0".parse().unwrap());
        Some(refusal)
    }

    async fn connection<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let mut cut = self.cut.subscribe();
        let mut head = self.head.subscribe();
        cut.mark_unchanged();
        #[expect(clippy::result_large_err, reason = "the library's callback wants this type")]
        let admit = |request: &Request, response: Response| self.refusal(request).map_or(Ok(response), Err);
        let Ok(mut ws) = accept_hdr_async(stream, admit).await else { return };
        let mut subscriptions = BTreeMap::new();
        loop {
            tokio::select! {
                message = ws.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let call: Value = serde_json::from_str(&text).unwrap();
                        if let Some(answer) = self.answer(&call, &mut subscriptions) {
                            send(&mut ws, answer).await;
                        }
                        self.tell(&mut ws, &mut subscriptions).await;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
                _ = head.changed() => self.tell(&mut ws, &mut subscriptions).await,
                _ = cut.changed() => return self.end(ws).await,
            }
        }
    }

    async fn end<S: AsyncRead + AsyncWrite + Unpin>(&self, mut ws: WebSocketStream<S>) {
        let code = self.stage().close;
        match code {
            Some(code) => {
                let _ = ws.close(Some(CloseFrame { code: code.into(), reason: "told to".into() })).await;
                while let Some(Ok(_)) = ws.next().await {}
            }
            None => drop(ws.get_mut().shutdown().await),
        }
    }

    async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        ws: &mut WebSocketStream<S>,
        subscriptions: &mut BTreeMap<String, usize>,
    ) {
        let mut events = Vec::new();
        for (id, told) in subscriptions {
            for (index, (name, payload)) in self.stage().log.iter().enumerate().skip(*told) {
                let seq = (*name != "stream.gap" && *name != "stream.chunk").then_some(index + 1);
                let params = json!({"payload": payload, "seq": seq, "subscriptionId": id});
                events.push(json!({"jsonrpc": "2.0", "method": name, "params": params}));
                *told = index + 1;
            }
        }
        for event in events {
            send(ws, event).await;
        }
    }

    fn answer(&self, call: &Value, subscriptions: &mut BTreeMap<String, usize>) -> Option<Value> {
        let mut stage = self.stage();
        let method = call["method"].as_str().unwrap();
        let earlier = stage.seen.iter().filter(|seen| *seen == method).count();
        stage.seen.push(method.to_owned());
        let result = match method {
            "thing.echo" => json!({"result": call["params"]}),
            "event.ack" => {
                let (id, seq) = (call["params"]["subscriptionId"].as_str().unwrap(), &call["params"]["seq"]);
                if let Some((_, acknowledged)) = stage.window.get_mut(id) {
                    *acknowledged = (*acknowledged).max(seq.as_u64().unwrap() as usize);
                }
                return None;
            }
            "auth.connect" if stage.is_old => {
                let data = json!({"code": "CONFLICT"});
                json!({"error": {"code": -32002, "message": "authenticated already", "data": data}})
            }
            "auth.connect" => {
                stage.shown.push(call["params"]["resumeToken"].as_str().unwrap().to_owned());
                let kept = stage.window.iter().map(|(id, (events, after))| {
                    subscriptions.insert(id.clone(), *after);
                    json!({"subscriptionId": id, "events": events, "afterSeq": after, "requiresAck": true})
                });
                let kept: Vec<Value> = kept.collect();
                json!({"result": {"resumed": true, "resumeToken": TOKEN, "subscriptions": kept}})
            }
            "thing.limited" if earlier == 0 => {
                let data = json!({"code": "RATE_LIMITED", "retryAfterMs": 5});
                json!({"error": {"code": -32003, "message": "too many calls", "data": data}})
            }
            "thing.missing" => {
                let data = json!({"code": "NOT_FOUND", "field": "thingId"});
                json!({"error": {"code": -32007, "message": "no thing t", "data": data}})
            }
            "subscribe" => {
                let after = call["params"]["afterSeq"].as_u64().map_or(stage.log.len(), |after| after as usize);
                let events = &call["params"]["events"];
                let id = match call["params"]["subscriptionId"].as_str() {
                    Some(name) => {
                        assert_eq!(call["params"]["requiresAck"], true);
                        stage.window.insert(name.to_owned(), (events.clone(), after));
                        name.to_owned()
                    }
                    None => format!("subscription-{}-{}", stage.tokens.len(), stage.seen.len()),
                };
                let overlap = usize::from(stage.overlap && after > 0);
                subscriptions.insert(id.clone(), after - overlap);
                json!({"result": {"subscriptionId": id, "events": events, "afterSeq": after, "resumeToken": TOKEN}})
            }
            "unsubscribe" => {
                let id = call["params"]["subscriptionId"].as_str().unwrap();
                subscriptions.remove(id);
                stage.window.remove(id);
                json!({"result": {}})
            }
            _ if stage.swallow && earlier == 0 => {
                self.swallowed.notify_one();
                return None;
            }
            _ => json!({"result": "done"}),
        };
        let mut answer = json!({"jsonrpc": "2.0", "id": call["id"]});
        answer.as_object_mut().unwrap().extend(result.as_object().unwrap().clone());
        Some(answer)
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocketStream<S>, value: Value) {
    let _ = ws.send(Message::text(value.to_string())).await;
}
