//! Where the daemon listens.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;

use super::Finding;
use crate::config::Config;
use crate::files::DataDir;

/// On this machine; who takes longer is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether somebody listens where the data directory says that its daemon does.
pub(super) async fn is_alive(data: &DataDir) -> bool {
    let Ok(url) = std::fs::read_to_string(data.address()) else { return false };
    let Some(mut address) = url.trim().split_once("://").and_then(|(_, rest)| rest.parse::<SocketAddr>().ok()) else {
        return false;
    };
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::from(Ipv4Addr::LOCALHOST));
    }
    matches!(tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_)))
}

pub(super) fn ports(config: &Config, is_running: bool) -> Vec<Finding> {
    let mut findings = vec![port(SocketAddr::new(config.daemon.host, config.daemon.port), "daemon.port", is_running)];
    if let (true, Some(port)) = (config.metrics.enabled, config.metrics.port) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        findings.push(self::port(address, "metrics.port", is_running));
    }
    findings
}

fn port(address: SocketAddr, key: &str, is_running: bool) -> Finding {
    let bound = TcpListener::bind(address);
    if address.port() == 0 && bound.is_ok() {
        return Finding::ok("port", format!("{key} is 0: a free one is taken"));
    }
    match bound.map_err(|error| error.kind()) {
        Ok(_) => Finding::ok("port", format!("{address} ({key}) is free")),
        Err(ErrorKind::AddrInUse) if is_running => {
            Finding::ok("port", format!("{address} ({key}) is in use, and the daemon of this data directory runs"))
        }
        Err(ErrorKind::AddrInUse) => {
            let remedy = format!("end what listens there (ss -ltnp 'sport = :{}'), or set {key}", address.port());
            Finding::failure("port", format!("{address} ({key}) is taken by another program"), remedy)
        }
        Err(ErrorKind::PermissionDenied) => {
            let remedy = format!("choose a {key} above 1023, or put a proxy in front");
            Finding::failure("port", format!("{address} ({key}) may not be used by this user"), remedy)
        }
        Err(kind) => Finding::failure(
            "port",
            format!("cannot listen on {address}: {kind}"),
            "set daemon.host to an address of this machine",
        ),
    }
}
