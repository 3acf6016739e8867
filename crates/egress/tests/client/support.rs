//! A server that says what it is told to, and a resolver that knows what it is told.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use orchestrator_egress::{Client, Config, Resolve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Answers each request on a connection of its own, by its target, and remembers what came.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _accepting: JoinSet<()>,
}

/// What a server does.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Says this and closes.
    Whole(Vec<u8>),
    /// Says this, and never anything more.
    Stalled(Vec<u8>),
}

impl Server {
    pub(crate) async fn start(replies: impl Into<HashMap<&'static str, Reply>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (replies, requests) = (Arc::new(replies.into()), Arc::new(Mutex::new(Vec::new())));
        let (mut accepting, seen) = (JoinSet::new(), requests.clone());
        accepting.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                serving.spawn(serve(socket, replies.clone(), seen.clone()));
            }
        });
        Self { address, requests, _accepting: accepting }
    }

    /// The heads and bodies of all requests so far, in lowercase.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Of a host with the port of this server.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }
}

async fn serve(mut socket: TcpStream, replies: Arc<HashMap<&'static str, Reply>>, seen: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    while !is_whole(&read) {
        if socket.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8_lossy(&read).to_ascii_lowercase();
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(request);
    match replies.get(target.as_str()).cloned().unwrap_or_else(|| reply(404, "", "nothing here")) {
        Reply::Whole(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
        Reply::Stalled(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.read_to_end(&mut read).await;
        }
    }
}

fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// An answer with a body; `headers` are whole lines.
pub(crate) fn reply(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    Reply::Whole(bytes)
}

pub(crate) fn redirect(status: u16, location: &str) -> Reply {
    reply(status, &format!("location: {location}\r\nset-cookie: a=b\r\n"), "")
}

/// Answers with what was scripted for a name, in turn; the last answer stays.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    pub(crate) fn new(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let script = Self::default();
        for (name, answers) in names {
            let answers = answers.iter().map(|addresses| addresses.iter().map(|text| text.parse().unwrap()).collect());
            script.answers.lock().unwrap().insert((*name).to_owned(), answers.collect());
        }
        Arc::new(script)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A client that asks this script.
    pub(crate) fn client(self: &Arc<Self>, config: Config) -> Client {
        Client::with_resolver(config, self.clone()).unwrap()
    }
}

#[async_trait]
impl Resolve for Script {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(host).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"))?;
        Ok(if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().cloned().unwrap_or_default() })
    }
}
