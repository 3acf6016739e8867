//! A server that says what it is told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Answers each request on a connection of its own, by its target, and remembers what came.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    state: watch::Receiver<State>,
    _accepting: JoinSet<()>,
}

#[derive(Clone, Copy, Default)]
struct State {
    asked: usize,
    open: usize,
}

#[derive(Clone)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    is_stalled: bool,
}

impl Server {
    pub(crate) async fn start(replies: impl Into<HashMap<&'static str, Reply>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (replies, requests) = (Arc::new(replies.into()), Arc::new(Mutex::new(Vec::new())));
        let (sender, state) = watch::channel(State::default());
        let (mut accepting, seen) = (JoinSet::new(), requests.clone());
        accepting.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                sender.send_modify(|state| state.open += 1);
                let (replies, seen, sender) = (replies.clone(), seen.clone(), sender.clone());
                serving.spawn(async move {
                    serve(socket, &replies, &seen, &sender).await;
                    sender.send_modify(|state| state.open -= 1);
                });
            }
        });
        Self { port, requests, state, _accepting: accepting }
    }

    /// The heads and bodies of all requests so far, in lowercase.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Once a request came.
    pub(crate) async fn asked(&self) {
        self.state.clone().wait_for(|state| state.asked > 0).await.unwrap();
    }

    /// Once no connection is open any more.
    pub(crate) async fn idle(&self) {
        self.state.clone().wait_for(|state| state.open == 0).await.unwrap();
    }
}

async fn serve(
    mut socket: TcpStream,
    replies: &HashMap<&'static str, Reply>,
    seen: &Mutex<Vec<String>>,
    state: &watch::Sender<State>,
) {
    let mut read = Vec::new();
    while !is_whole(&read) {
        if socket.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8_lossy(&read).to_ascii_lowercase();
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(request);
    state.send_modify(|state| state.asked += 1);
    let reply = replies.get(target.as_str()).cloned().unwrap_or_else(|| reply(404, "", "nothing here"));
    // Who asked may be gone.
    let _ = socket.write_all(&reply.bytes).await;
    if reply.is_stalled {
        let _ = socket.read_to_end(&mut read).await;
    } else {
        let _ = socket.shutdown().await;
    }
}

fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read).to_ascii_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    read.len() - (head.len() + 4) >= length.map_or(0, |length| length.parse().unwrap())
}

/// An answer with a body; `headers` are whole lines.
pub(crate) fn reply(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    Reply { bytes: [head.as_bytes(), body].concat(), is_stalled: false }
}

/// The beginning of an answer, and never anything more.
pub(crate) fn stalled(begins: &str) -> Reply {
    Reply { bytes: begins.as_bytes().to_vec(), is_stalled: true }
}
