//! Servers of this machine that say what they are told to, and keep what they hear.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_notify::{Bounds, Config, Destination, Kind, Message, Notifier, Outcome, Parts, Severity};
use orchestrator_vocab::{SystemClock, Timestamp};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What a server answers with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Say {
    Status(u16),
    /// With `Retry-After` in seconds.
    Later(u64),
    /// Nothing, ever.
    Nothing,
}

pub(crate) struct Server {
    pub(crate) url: String,
    heard: mpsc::UnboundedReceiver<Heard>,
    _task: DropGuard,
}

impl Server {
    /// Says these one after the other, and yes afterwards.
    pub(crate) async fn start(answers: &[Say]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/s3cret-path", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let (tell, heard) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let ended = stop.clone();
        tokio::spawn(ended.run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answers.clone(), tell.clone()));
            }
        }));
        Self { url, heard, _task: stop.drop_guard() }
    }

    pub(crate) async fn next(&mut self) -> Heard {
        let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
        heard.expect("a request in time").expect("a server")
    }

    pub(crate) fn heard_nothing_more(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }
}

async fn converse(stream: TcpStream, answers: Arc<Mutex<VecDeque<Say>>>, tell: mpsc::UnboundedSender<Heard>) {
    let mut stream = BufReader::new(stream);
    while let Some(heard) = request(&mut stream).await {
        let _ = tell.send(heard);
        let say = answers.lock().unwrap().pop_front().unwrap_or(Say::Status(204));
        let (status, more) = match say {
            Say::Status(status) => (status, String::new()),
            Say::Later(seconds) => (429, format!("retry-after: {seconds}\r\n")),
            Say::Nothing => return std::future::pending().await,
        };
        let answer = format!("HTTP/1.1 {status} Said\r\n{more}content-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Heard> {
    let mut headers = Vec::new();
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Heard { headers, body })
}

/// A notifier that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) notifier: Notifier,
    pub(crate) reports: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

/// Waits that a test can bear.
pub(crate) fn quick() -> Bounds {
    Bounds { backoff_first_ms: 1, backoff_max_ms: 5, retry_after_max_ms: 1_000, timeout_ms: 5_000, ..Bounds::default() }
}

pub(crate) fn webhook(url: &str) -> Destination {
    let secret = Some(SecretString::from(SECRET));
    Destination { url: Some(url.to_owned().into()), secret, ..Destination::new(Kind::Webhook) }
}

pub(crate) fn config(destination: Destination, bounds: Bounds) -> Config {
    let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    Config { destinations: [("ops".to_owned(), destination)].into(), allow_networks, bounds, ..Config::default() }
}

pub(crate) fn run(config: Config) -> Running {
    let reports: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = reports.clone();
    let notifier = Notifier::new(Parts {
        config,
        clock: Arc::new(SystemClock),
        filter: Arc::new(|text| text.replace("hunter2", "[redacted]")),
        listener: Arc::new(move |report| {
            let line = format!("{} {} {}", report.destination, report.messages, report.outcome.as_str());
            told.lock().unwrap().push(line);
        }),
    });
    let (notifier, stop) = (notifier.unwrap(), CancellationToken::new());
    let (running, ended) = (notifier.clone(), stop.clone());
    tokio::spawn(async move { running.run(ended).await });
    Running { notifier, reports, _stop: stop.drop_guard() }
}

impl Running {
    /// Sends it and waits for what becomes of it.
    pub(crate) async fn tell(&self, message: Message) -> Outcome {
        let receipt = self.notifier.send("ops", message).unwrap();
        tokio::time::timeout(PATIENCE, receipt.outcome()).await.expect("in time").expect("it runs")
    }
}

pub(crate) fn message(id: &str, key: &str) -> Message {
    Message {
        id: id.to_owned(),
        topic: "kettle.dry".to_owned(),
        key: key.to_owned(),
        severity: Severity::Critical,
        title: format!("kettle {id}"),
        text: "The password is hunter2, see https://evil.example/".to_owned(),
        facts: vec![("key".to_owned(), "hunter2".to_owned())],
        time: Timestamp(1_700_000_000_000),
    }
}
