use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use orchestrator_events::{Hub, MemoryLog, NewEvent};
use orchestrator_gateway::{Builder, Config, Gateway, Peers, Summary, operations};
use orchestrator_rpc::{
    Authenticator, Call, Caller, Credential, Dispatcher, Error, Operation, Scope, Scopes, Standing, Table,
};
use orchestrator_vocab::{Actor, OrgId, SystemClock, Timestamp};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

pub(crate) type Client = WebSocketStream<TcpStream>;

/// Longer than anything here should take, so that a hanging test says where it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) hub: Hub,
    /// Opened by tests to let `thing.wait` answer.
    pub(crate) gate: Arc<Notify>,
    /// Notified by `thing.wait` when it runs.
    pub(crate) waiting: Arc<Notify>,
    pub(crate) standing: watch::Sender<Standing>,
    pub(crate) stop: CancellationToken,
    tasks: JoinSet<Option<Summary>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default(), |builder| builder).await
    }

    pub(crate) async fn configured(config: Config) -> Self {
        Self::with(config, |builder| builder).await
    }

    pub(crate) async fn with(config: Config, more: impl FnOnce(Builder) -> Builder) -> Self {
        let log = Arc::new(MemoryLog::default());
        let hub = Hub::new(log.clone());
        let (gate, waiting) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let standing = watch::channel(Standing::Good).0;
        let peers = Peers::default();
        let own = operations(hub.clone(), peers.clone());
        let table = things(&gate, &waiting).merge(own).with_discovery(Arc::new(SystemClock));
        let dispatcher = Dispatcher::new(table).unwrap();
        let table = dispatcher.table().clone();
        let door = Arc::new(Door { standing: standing.clone() });
        let builder = Gateway::builder(table, BoxCloneSyncService::new(dispatcher), door)
            .config(config)
            .peers(peers)
            .events(["thing.created"]);
        let gateway = more(builder).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (serving, stopped) = (gateway.clone(), stop.clone());
        tasks.spawn(async move { Some(serving.serve(listener, stopped).await) });
        let (running, stopped) = (hub.clone(), stop.clone());
        tasks.spawn(async move { running.run(stopped).await.map(|()| None).unwrap() });
        Self { address, gateway, log, hub, gate, waiting, standing, stop, tasks }
    }

    pub(crate) fn append(&self, name: &'static str, payload: Value) {
        self.append_for(OrgId::LOCAL, name, payload);
    }

    pub(crate) fn append_for(&self, org: OrgId, name: &'static str, payload: Value) {
        self.log.append(vec![NewEvent::new(org, name, Timestamp(0), Actor::system("test"), payload)]);
    }

    /// Stops and says how it went.
    pub(crate) async fn stopped(mut self) -> Summary {
        self.stop.cancel();
        patiently(async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Some(summary) = ended.unwrap() {
                    return summary;
                }
            }
            panic!("serve did not end")
        })
        .await
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a whole request and reads until the server closes.
    pub(crate) async fn exchange(&self, request: &str) -> Response {
        let mut stream = self.tcp().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        Response::parse(&read_to_end(&mut stream).await)
    }

    pub(crate) async fn get(&self, path: &str, headers: &str) -> Response {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Response {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}");
        self.exchange(&format!("{head}\r\n{headers}\r\n{body}")).await
    }

    pub(crate) async fn rpc(&self, body: &str) -> Response {
        self.send("POST", "/rpc", &(GOOD.to_owned() + JSON), body).await
    }

    pub(crate) async fn websocket(&self, token: Option<&str>) -> Result<Client, WsError> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let stream = self.tcp().await;
        let (client, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        Ok(client)
    }

    pub(crate) async fn signed_in(&self) -> Client {
        self.websocket(Some("good")).await.unwrap()
    }
}

pub(crate) const GOOD: &str = "authorization: Bearer good\r\n";
pub(crate) const JSON: &str = "content-type: application/json\r\n";

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("this takes far too long")
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    patiently(stream.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["error"]["code"].as_str()), (status, Some(code)), "{self:?}");
    }
}

pub(crate) async fn say(client: &mut Client, message: &Value) {
    client.send(Message::text(message.to_string())).await.unwrap();
}

pub(crate) async fn hear(client: &mut Client) -> Value {
    loop {
        match patiently(client.next()).await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("expected a text, got {other:?}"),
        }
    }
}

pub(crate) async fn ask(client: &mut Client, method: &str, params: Value) -> Value {
    say(client, &call(1, method, params)).await;
    hear(client).await
}

pub(crate) fn call(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The code of the close frame; what comes before it is passed over.
pub(crate) async fn closed(client: &mut Client) -> u16 {
    loop {
        match patiently(client.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("expected a close frame, got {other:?}"),
        }
    }
}

struct Door {
    standing: watch::Sender<Standing>,
}

#[async_trait]
impl Authenticator for Door {
    async fn authenticate(&self, credential: &Credential) -> Result<Caller, Error> {
        let (Credential::Bearer(secret) | Credential::ApiKey(secret)) = credential;
        let scopes: Scopes = match secret.expose_secret() {
            "good" | "expired" | "stranger" => Scope::Admin.into(),
            "reader" => Scope::Read.into(),
            "teams" => Scope::Teams.into(),
            "nothing" => Scopes::NONE,
            "panic" => panic!("planted"),
            secret => return Err(Error::unauthorized(format!("{secret} is not known"))),
        };
        let mut caller = Caller::new(OrgId::LOCAL, "alice", scopes);
        caller.standing = self.standing.subscribe();
        match secret.expose_secret() {
            "expired" => caller.expires_at = Some(Timestamp(1_000)),
            "stranger" => caller.org = OrgId::new(),
            _ => {}
        }
        Ok(caller)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Thing {
    thing_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Size {
    Small,
    Large,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct List {
    limit: Option<u32>,
    tags: Vec<String>,
    done: Option<bool>,
    size: Option<Size>,
    numbers: Option<Vec<i64>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Big {
    bytes: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    bytes: Option<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn things(gate: &Arc<Notify>, waiting: &Arc<Notify>) -> Table {
    let (gate, waiting) = (gate.clone(), waiting.clone());
    let create =
        |call: Call, params: Create| async move { Ok(Create { idempotency_key: call.idempotency_key, ..params }) };
    let wait = move |_: Call, params: Wait| {
        let (gate, waiting) = (gate.clone(), waiting.clone());
        async move {
            waiting.notify_one();
            gate.notified().await;
            Ok(params.bytes.map_or_else(|| "waited".to_owned(), |bytes| "x".repeat(bytes)))
        }
    };
    let echo = |_: Call, params: Thing| async move { Ok(params) };
    let boom = |_: Call, params: Nothing| async move {
        let Nothing {} = params;
        if true {
            panic!("planted");
        }
        Ok(())
    };
    let limited = |_: Call, _: Nothing| async move { Err::<(), _>(Error::rate_limited(Duration::from_millis(1_500))) };
    Table::new()
        .with(Operation::new("thing.create", Scope::Write, "Creates a thing", create).creates())
        .with(Operation::new("thing.get", Scope::Read, "Gives it back", echo))
        .with(Operation::new("thing.update", Scope::Write, "Gives it back", echo))
        .with(Operation::new("thing.delete", Scope::Write, "Gives it back", echo))
        .with(Operation::new("thing.paint", Scope::Write, "Gives it back", echo))
        .with(Operation::new(
            "thing.list",
            Scope::Read,
            "Gives back what it understood",
            |_, params: List| async move { Ok(params) },
        ))
        .with(Operation::new("thing.big", Scope::Read, "Says much", |_, params: Big| async move {
            Ok("x".repeat(params.bytes))
        }))
        .with(Operation::new("thing.wait", Scope::Read, "Answers when the gate opens", wait))
        .with(Operation::new("thing.boom", Scope::Read, "Panics", boom))
        .with(Operation::new("thing.limited", Scope::Read, "Refuses", limited))
}
