//! An HTTP server that remembers what it was asked and answers what it was told to.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// `null` if there was no body.
    pub(crate) body: Value,
}

/// What happens after what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The answer is over, as HTTP sees it.
    Ends,
    /// The connection breaks.
    Breaks,
    /// Nothing.
    Silence,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) then: Then,
}

pub(crate) struct Upstream {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    abandoned: watch::Receiver<u32>,
    _server: JoinSet<()>,
}

type Respond = dyn Fn(&Seen) -> Answer + Send + Sync;

impl Answer {
    pub(crate) fn events(body: impl Into<String>) -> Self {
        let headers = vec![("content-type", "text/event-stream; charset=utf-8".into()), ("request-id", "req_1".into())];
        Self { status: 200, headers, body: body.into(), then: Then::Ends }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".into()), ("request-id", "req_1".into())];
        Self { status, headers, body: body.to_string(), then: Then::Ends }
    }

    pub(crate) fn with(mut self, header: &'static str, value: &str) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub(crate) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

impl Upstream {
    pub(crate) async fn start(respond: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, abandoned) = watch::channel(0);
        let (all, respond): (_, Arc<Respond>) = (seen.clone(), Arc::new(respond));
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (all, respond, sender) = (all.clone(), respond.clone(), sender.clone());
                connections.spawn(async move {
                    let service =
                        service_fn(move |request| answer(request, all.clone(), respond.clone(), sender.clone()));
                    // Connections that break are what some tests are about.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, seen, abandoned, _server: server }
    }

    /// Everything that was asked, oldest first.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until an answer that fell silent is given up by who asked.
    pub(crate) async fn is_abandoned(&self) {
        self.abandoned.clone().wait_for(|count| *count > 0).await.unwrap();
    }
}

type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

async fn answer(
    request: Request<Incoming>,
    all: Arc<Mutex<Vec<Seen>>>,
    respond: Arc<Respond>,
    abandoned: watch::Sender<u32>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let seen = Seen { path: head.uri.to_string(), headers: head.headers, body };
    all.lock().unwrap().push(seen.clone());
    let answer = respond(&seen);
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    Ok(response.body(StreamBody::new(pieces(answer.body, answer.then, abandoned))).unwrap())
}

/// Of seven bytes each, so that events, numbers and characters are cut in the middle.
fn pieces(body: String, then: Then, abandoned: watch::Sender<u32>) -> BoxStream<'static, io::Result<Frame<Bytes>>> {
    let pieces: Vec<_> = body.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
    let pieces = stream::iter(pieces.into_iter().map(Ok));
    let rest = match then {
        Then::Ends => stream::empty().boxed(),
        Then::Breaks => stream::once(async { Err(io::Error::other("broken")) }).boxed(),
        Then::Silence => silence(abandoned),
    };
    pieces.chain(rest).map_ok(Frame::data).boxed()
}

fn silence(abandoned: watch::Sender<u32>) -> BoxStream<'static, io::Result<Bytes>> {
    struct Tell(watch::Sender<u32>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.send_modify(|count| *count += 1);
        }
    }
    let tell = Tell(abandoned);
    stream::poll_fn(move |_| {
        let _kept = &tell;
        Poll::Pending
    })
    .boxed()
}
