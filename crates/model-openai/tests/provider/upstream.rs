//! A server that answers every request as a script says, and remembers what it was asked.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) pieces: Vec<String>,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As HTTP says.
    Proper,
    /// In the middle.
    Broken,
    /// Not at all: nothing more comes until the client has had enough.
    Silence,
}

#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    left: watch::Receiver<u32>,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn new(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (asked, (told, left)) = (Arc::default(), watch::channel(0));
        let mut serving = JoinSet::new();
        let (script, remembered) = (Arc::new(script), Arc::clone(&asked));
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, asked, told) = (Arc::clone(&script), Arc::clone(&remembered), told.clone());
                connections.spawn(async move {
                    // A client that goes away is part of some tests.
                    let _ = serve(stream, &*script, &asked, &told).await;
                });
            }
        });
        Self { url, asked, left, _serving: serving }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The last of it.
    pub(crate) fn last(&self) -> Asked {
        self.asked().pop().unwrap()
    }

    /// Waits until a client has gone away from a silent answer.
    pub(crate) async fn left(&mut self) {
        self.left.wait_for(|left| *left > 0).await.unwrap();
    }
}

async fn serve(
    stream: TcpStream,
    script: &(dyn Fn(&Asked) -> Answer + Send + Sync),
    asked: &Mutex<Vec<Asked>>,
    told: &watch::Sender<u32>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let answer = script(&request);
        asked.lock().unwrap().push(request);
        write(stream.get_mut(), &answer).await?;
        match answer.ending {
            Ending::Proper => {}
            Ending::Broken => return Ok(()),
            Ending::Silence => {
                let ended = stream.read_u8().await;
                told.send_modify(|left| *left += u32::from(ended.is_err()));
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Asked { path, headers, body: serde_json::from_slice(&body).unwrap_or_default() }))
}

async fn write(stream: &mut TcpStream, answer: &Answer) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\ntransfer-encoding: chunked\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    for piece in &answer.pieces {
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await?;
        stream.flush().await?;
    }
    if answer.ending == Ending::Proper {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}
