//! A small web server, and what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use orchestrator_testkit::patiently;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Debug, Clone)]
pub(crate) struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    is_silent: bool,
}

pub(crate) struct Web {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    counts: watch::Receiver<Counts>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    asked: usize,
    open: usize,
}

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, std::convert::Infallible>>>;

impl Page {
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { status, headers, body: body.to_owned(), is_silent: false }
    }

    /// A head, and never a body.
    pub(crate) fn silent() -> Self {
        Self { is_silent: true, ..Self::new(200, &[("content-type", "text/plain")], "") }
    }

    fn response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        let body = if self.is_silent {
            stream::pending().boxed()
        } else {
            response = response.header("content-length", self.body.len());
            let pieces: Vec<_> = self.body.as_bytes().chunks(4_096).map(Bytes::copy_from_slice).collect();
            stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece)))).boxed()
        };
        response.body(StreamBody::new(body)).expect("headers are well formed")
    }
}

impl Web {
    pub(crate) async fn start(pages: impl Into<HashMap<&'static str, Page>>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (pages, asked) = (Arc::new(pages.into()), Arc::<Mutex<Vec<String>>>::default());
        let (sender, counts) = watch::channel(Counts::default());
        let (all, mut server) = (asked.clone(), JoinSet::new());
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (all, pages, sender) = (all.clone(), pages.clone(), sender.clone());
                sender.send_modify(|counts| counts.open += 1);
                connections.spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| {
                        let path = request.uri().path().to_owned();
                        all.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} {path}", request.method()));
                        sender.send_modify(|counts| counts.asked += 1);
                        let page =
                            pages.get(path.as_str()).cloned().unwrap_or_else(|| Page::new(404, &[], "nothing here"));
                        async move { Ok::<_, std::convert::Infallible>(page.response()) }
                    });
                    // Whoever asked may go before the answer is whole.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    sender.send_modify(|counts| counts.open -= 1);
                });
            }
        });
        Ok(Self { url, asked, counts, _server: server })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Method and path of each request, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn once_asked(&self) {
        let asked = async { self.counts.clone().wait_for(|counts| counts.asked > 0).await.map(drop) };
        patiently("a request", asked).await.expect("the server lives");
    }

    /// Once no connection is open any more.
    pub(crate) async fn once_idle(&self) {
        let idle = async { self.counts.clone().wait_for(|counts| counts.open == 0).await.map(drop) };
        patiently("the connections' end", idle).await.expect("the server lives");
    }
}
