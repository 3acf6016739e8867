use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use url::Host;

use super::answers::{self, Answer};
use super::bounded::Bounded;
use super::forward::{Target, forward};
use super::guest::{Outcome, Served};
use super::{Guest, Proxy, Rules};
use crate::Error;

/// How long the head of a request may take.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How large it may be.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// After the system had no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection to a host.
pub(super) type Upstream = Bounded<TcpStream>;
/// What a connection is used for once it is no HTTP any more.
type Tunnel = Arc<Mutex<Option<(OnUpgrade, Upstream)>>>;

pub(super) async fn serve(proxy: Proxy, listener: TcpListener, guest: Guest) {
    let served = Arc::new(Served::new(guest));
    let connections_max = proxy.rules().config.connections_max;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < connections_max => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(proxy.clone(), served.clone(), stream))),
                Err(error) => {
                    tracing::warn!(%error, "a connection of a guest of the proxy could not be accepted");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(proxy: Proxy, served: Arc<Served>, stream: TcpStream) {
    let rules = proxy.rules();
    let tunnel = Tunnel::default();
    let service = service_fn(|request| {
        let (proxy, rules, served, tunnel) = (proxy.clone(), rules.clone(), served.clone(), tunnel.clone());
        async move { Ok::<_, Infallible>(answered(&proxy, &rules, &served, &tunnel, request).await) }
    });
    // What it may carry is counted at the other end.
    let stream = Bounded::new(stream, rules.idle(), u64::MAX);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_buf_size(HEAD_BYTES_MAX);
    let _ = http.preserve_header_case(true).serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    let asked = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((upgrade, mut upstream)) = asked
        && let Ok(upgraded) = upgrade.await
    {
        // However it ends, it is over.
        let _ = copy_bidirectional(&mut TokioIo::new(upgraded), &mut upstream).await;
    }
}

async fn answered(
    proxy: &Proxy,
    rules: &Rules,
    served: &Served,
    tunnel: &Tunnel,
    mut request: hyper::Request<hyper::body::Incoming>,
) -> Answer {
    let target = match Target::of(&request) {
        Ok(target) => target,
        Err(problem) => return answers::malformed(problem),
    };
    let upstream = match connected(proxy, rules, served, &target).await {
        Ok(upstream) => upstream,
        Err(answer) => return answer,
    };
    if request.method() == hyper::Method::CONNECT {
        let upgrade = hyper::upgrade::on(&mut request);
        *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgrade, upstream));
        return answers::tunnel();
    }
    forward(request, &target, upstream).await.unwrap_or_else(|_| answers::broken(&target))
}

/// The host, if this guest may speak to it, at an address that was checked. Whoever is to be told was told of it.
async fn connected(proxy: &Proxy, rules: &Rules, served: &Served, target: &Target) -> Result<Upstream, Answer> {
    let (host, port) = (target.name.as_str(), target.port);
    let dialled = match served.may_speak_to(host, port) {
        true => rules.dial(proxy, served, target).await,
        false => Err(Error::NotListed { host: host.to_owned() }),
    };
    let outcome = match &dialled {
        Ok(_) => Outcome::Connected,
        Err(Error::NotListed { .. }) => Outcome::NotListed,
        Err(Error::Reserved { network, .. }) => Outcome::Reserved(network),
        Err(_) => Outcome::Failed,
    };
    (proxy.0.tell)(served.asked(host, port, outcome)).await;
    let stream = dialled.map_err(|error| answers::refused(target, &error))?;
    Ok(Bounded::new(stream, rules.idle(), rules.config.bytes_max))
}

impl Rules {
    fn idle(&self) -> Duration {
        Duration::from_millis(self.config.idle_timeout_ms)
    }

    async fn dial(&self, proxy: &Proxy, served: &Served, target: &Target) -> Result<TcpStream, Error> {
        let timeout_ms = self.config.connect_timeout_ms;
        let host = || target.name.clone();
        let dialling = async {
            let addresses = self.addresses(proxy, served, target).await?;
            let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
            for address in addresses {
                match TcpStream::connect(SocketAddr::new(address, target.port)).await {
                    Ok(stream) => {
                        let _ = stream.set_nodelay(true);
                        return Ok(stream);
                    }
                    Err(error) => failed = error,
                }
            }
            Err(Error::Connect { host: host(), source: failed.into() })
        };
        let dialled = timeout(Duration::from_millis(timeout_ms), dialling).await;
        dialled.unwrap_or_else(|_| Err(Error::TimedOut { host: host(), timeout_ms }))
    }

    /// All of them are checked: any may be connected to.
    async fn addresses(&self, proxy: &Proxy, served: &Served, target: &Target) -> Result<Vec<IpAddr>, Error> {
        let name = &target.name;
        let found = match &target.host {
            Host::Ipv4(address) => vec![IpAddr::from(*address)],
            Host::Ipv6(address) => vec![IpAddr::from(*address)],
            Host::Domain(_) => {
                let found = proxy.0.resolver.resolve(name).await;
                let found = found.map_err(|source| Error::Unresolved { host: name.clone(), source })?;
                self.policy.check_addresses(name, &found)?;
                return Ok(found);
            }
        };
        if !served.names(name, target.port) {
            self.policy.check_addresses(name, &found)?;
        }
        Ok(found)
    }
}
