use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::Gateway;
use crate::admission::{Full, Place};
use crate::shared::Shared;
use crate::stream::Stream;

/// What a refused connection hears, if it is plain HTTP.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
content-type: application/json\r\ncontent-length: 69\r\n\r\n\
{\"error\":{\"code\":\"UNAVAILABLE\",\"message\":\"too many open connections\"}}";
/// Refused connections that are told so at one time; further ones are only closed.
const REFUSALS_MAX: usize = 64;
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two attempts to accept while the process is out of file descriptors or memory.
const BACKOFF: Duration = Duration::from_millis(50);

/// How an end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Connections that were open when the stop came.
    pub open: usize,
    /// Those of them that had to be cut at the deadline.
    pub cut: usize,
    /// How long it took.
    pub took: Duration,
}

impl Gateway {
    /// Serves until `stop`, then drains: not ready at once, no new connections, every call that runs is answered, WebSockets
    /// are closed with 1001, and what is left after `drain_timeout` is cut. Serving several listeners is fine; the
    /// first stop ends the connections of all. Dropping the future cuts everything.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> Summary {
        let mut acceptor = Acceptor {
            gateway: self.clone(),
            local: listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            connections: JoinSet::new(),
            refusals: JoinSet::new(),
        };
        acceptor.accept_until(&listener, &stop).await;
        drop(listener);
        self.drain(acceptor.connections).await
    }

    async fn drain(&self, mut connections: JoinSet<()>) -> Summary {
        let started = Instant::now();
        while connections.try_join_next().is_some() {}
        let open = connections.len();
        let phase = &self.shared.phase;
        phase.draining.cancel();
        phase.stopping.cancel();
        let ended = async { while connections.join_next().await.is_some() {} };
        let cut = match timeout(self.current().shared.config.drain_timeout, ended).await {
            Ok(()) => 0,
            Err(_) => connections.len(),
        };
        connections.shutdown().await;
        Summary { open, cut, took: started.elapsed() }
    }
}

struct Acceptor {
    gateway: Gateway,
    local: bool,
    connections: JoinSet<()>,
    refusals: JoinSet<()>,
}

impl Acceptor {
    async fn accept_until(&mut self, listener: &TcpListener, stop: &CancellationToken) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(ended) = self.connections.join_next() => {
                    self.note(ended); // asked for at once, or the task would stay allocated
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) => self.recover(&error, stop).await,
            }
        }
    }

    /// A panic of ours ends one connection and is seen; those of handlers do not come this far.
    fn note(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            self.gateway.shared.counters.panics.increment();
            tracing::error!(%error, "a connection ended by a defect");
        }
    }

    /// Neither spins nor gives up: descriptors come back when connections end.
    async fn recover(&self, error: &io::Error, stop: &CancellationToken) {
        self.gateway.shared.counters.accept_failed.increment();
        let peer_left = matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
        if !peer_left {
            tracing::warn!(%error, "cannot accept connections");
            let _ = timeout(BACKOFF, stop.cancelled()).await;
        }
    }

    fn welcome(&mut self, stream: TcpStream, peer: SocketAddr) {
        let gateway = self.gateway.current();
        let shared = &gateway.shared;
        let address = peer.ip().to_canonical();
        match shared.admission.admit(address, &shared.config) {
            Ok(place) => {
                let open = Open::new(shared.clone(), place);
                let local = self.local;
                self.connections.spawn(connected(gateway, stream, address, local, open));
            }
            Err(full) => self.refuse(stream, full),
        }
    }

    fn refuse(&mut self, stream: TcpStream, full: Full) {
        let counters = &self.gateway.shared.counters;
        match full {
            Full::Total => counters.refused_total.increment(),
            Full::Address => counters.refused_address.increment(),
        }
        while self.refusals.try_join_next().is_some() {}
        if self.gateway.shared.tls.is_none() && self.refusals.len() < REFUSALS_MAX {
            self.refusals.spawn(async move {
                let _ = timeout(REFUSAL_TIMEOUT, say_busy(stream)).await;
            });
        }
    }
}

/// One more open connection, until it is dropped, be it by a panic.
struct Open {
    shared: Arc<Shared>,
    _place: Place,
}

impl Open {
    fn new(shared: Arc<Shared>, place: Place) -> Self {
        shared.counters.connections.increment();
        shared.counters.connections_open.increment();
        Self { shared, _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.counters.connections_open.decrement();
    }
}

/// Reads until the peer closes: closing with unread bytes would reset the connection and take the answer with it.
async fn say_busy(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(BUSY).await?;
    stream.shutdown().await?;
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

async fn connected(gateway: Gateway, stream: TcpStream, address: IpAddr, local: bool, _open: Open) {
    let _ = stream.set_nodelay(true);
    let stream = match &gateway.shared.tls {
        None => Stream::Plain(stream),
        Some(tls) => {
            let handshake = Box::pin(tls.acceptor().accept(stream));
            match timeout(gateway.shared.config.tls_handshake_timeout, handshake).await {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                Ok(Err(_)) | Err(_) => return gateway.shared.counters.tls_failed.increment(),
            }
        }
    };
    crate::http::serve(gateway, stream, address, local).await;
}
