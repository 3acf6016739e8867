//! Somebody who is told: a server that checks signatures, and says what it is told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use orchestrator_notify::{SignedHeaders, Signer};
use orchestrator_testkit::patiently;
use orchestrator_vocab::{Clock as _, SystemClock};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What messages are signed with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    /// What it answers with.
    status: Arc<Mutex<u16>>,
    told: mpsc::UnboundedReceiver<Told>,
    _server: JoinSet<()>,
}

/// What it was told, and whether to believe it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) is_signed: bool,
    pub(crate) answered: u16,
    pub(crate) body: Value,
}

impl Receiver {
    pub(crate) async fn start(status: u16) -> anyhow::Result<Self> {
        Self::at("127.0.0.1:0".parse()?, status).await
    }

    pub(crate) async fn at(address: SocketAddr, status: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let status = Arc::new(Mutex::new(status));
        let (tell, told) = mpsc::unbounded_channel();
        let (says, mut server) = (status.clone(), JoinSet::new());
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (says, tell) = (says.clone(), tell.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, says.clone(), tell.clone()));
                    // A daemon that is killed breaks its connection.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, status, told, _server: server })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook/very-secret-path", self.address)
    }

    pub(crate) fn says(&self, status: u16) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(crate) async fn next(&mut self) -> Told {
        patiently("somebody to be told", self.told.recv()).await.expect("the server runs")
    }

    pub(crate) fn heard_nothing(&mut self) -> bool {
        self.told.try_recv().is_err()
    }
}

async fn answer(
    request: Request<Incoming>,
    says: Arc<Mutex<u16>>,
    tell: mpsc::UnboundedSender<Told>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let headers = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let now_s = u64::try_from(SystemClock.now().millis() / 1_000).unwrap_or_default();
    let signer = Signer::new(&SecretString::from(SECRET)).expect("a secret");
    let is_signed = signer.verify(&headers, now_s, &body).is_ok();
    let answered = *says.lock().unwrap_or_else(PoisonError::into_inner);
    let told = Told { id: headers.id, is_signed, answered, body: serde_json::from_slice(&body).unwrap_or_default() };
    let _ = tell.send(told);
    Ok(Response::builder().status(answered).body(Empty::new()).expect("it is well formed"))
}
