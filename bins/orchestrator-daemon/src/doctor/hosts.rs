//! Whether programs that may speak to some hosts speak to nobody else: by trying to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_confine::{Attempt, Attempts, Beyond, Outcome, PROBE, Sandboxes};
use orchestrator_egress::{Proxy, ProxyConfig};
use orchestrator_process::{Confine as _, Limits, Mode, Output, Process, Sandbox, Spec};
use tokio::net::UdpSocket;
use tokio::task::{JoinSet, spawn_blocking};

use super::Finding;
use crate::config::Config;
use crate::files::DataDir;

const CHECK: &str = "hosts of sandboxes";
/// What is tried takes a second or two.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Nothing where no sandbox has hosts.
pub(super) async fn of(config: &Config, data: &DataDir) -> Option<Finding> {
    let mut all = config.sandboxes();
    all.retain(|(_, sandbox)| sandbox.mode != Mode::Off && !sandbox.hosts.is_empty());
    let named = |all: &[(String, &Sandbox)]| all.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
    let keys = named(&all);
    if all.is_empty() {
        return None;
    }
    let finding = match prepared(data).await {
        Err(error) => Finding::failure(CHECK, format!("it could not be tried: {error:#}"), "look into the log"),
        Ok((_, Some(missing))) => {
            all.retain(|(_, sandbox)| sandbox.mode == Mode::Required);
            let remedy = "let the daemon's user make user namespaces, or empty `hosts`";
            match named(&all) {
                required if required.is_empty() => {
                    Finding::warning(CHECK, format!("{missing}: programs of {keys} reach no host"), remedy)
                }
                required => Finding::failure(CHECK, format!("{missing}: nothing runs of {required}"), remedy),
            }
        }
        Ok((confine, None)) => match tried(confine, data).await {
            Ok(attempts) => judged(&keys, &attempts),
            Err(error) => Finding::failure(CHECK, format!("it could not be tried: {error:#}"), "look into the log"),
        },
    };
    Some(finding)
}

/// What confines, and what it lacks.
async fn prepared(data: &DataDir) -> anyhow::Result<(Sandboxes, Option<String>)> {
    let proxy = Proxy::new(ProxyConfig::default(), Arc::new(|_| Box::pin(std::future::ready(()))))?;
    let confine = Sandboxes::of_this_program(data.temporary()?).hiding(data.path()).through(proxy);
    let trying = spawn_blocking(move || {
        let missing = confine.without_hosts().map(str::to_owned);
        (confine, missing)
    });
    Ok(trying.await?)
}

fn judged(keys: &str, attempts: &[Attempt]) -> Finding {
    let told = |wanted: Outcome| {
        let some = attempts.iter().filter(|attempt| attempt.outcome == wanted);
        some.map(|attempt| attempt.what.clone()).collect::<Vec<_>>().join("; ")
    };
    let (escaped, broken) = (told(Outcome::Escaped), told(Outcome::Broken));
    if !escaped.is_empty() {
        return Finding::failure(
            CHECK,
            format!("a program with hosts can: {escaped}"),
            format!("empty the hosts of {keys}"),
        );
    }
    if !broken.is_empty() {
        return Finding::failure(
            CHECK,
            format!("a program with hosts cannot: {broken}"),
            "look into the log for the reason",
        );
    }
    Finding::ok(CHECK, format!("{keys}: the proxy worked, and stopped was: {}", told(Outcome::Stopped)))
}

/// What listens on this machine while it is tried.
struct Others {
    allowed: TcpListener,
    refused: Vec<TcpListener>,
    answering: SocketAddr,
    _unix: [UnixListener; 2],
    _answers: JoinSet<()>,
}

impl Others {
    async fn listening(path: &Path, name: &str) -> anyhow::Result<Self> {
        let listen = |address: IpAddr| TcpListener::bind((address, 0));
        // Not every machine has the second kind of addresses.
        let refused = [Ok(listen(Ipv4Addr::LOCALHOST.into())?), listen(Ipv6Addr::LOCALHOST.into())];
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let answering = socket.local_addr()?;
        let mut answers = JoinSet::new();
        answers.spawn(async move {
            let mut asked = [0; 16];
            while let Ok((length, from)) = socket.recv_from(&mut asked).await {
                let _ = socket.send_to(&asked[..length], from).await;
            }
        });
        Ok(Self {
            allowed: listen(Ipv4Addr::LOCALHOST.into())?,
            refused: refused.into_iter().flatten().collect(),
            answering,
            _unix: [UnixListener::bind(path)?, without_path(name)?],
            _answers: answers,
        })
    }
}

#[cfg(target_os = "linux")]
fn without_path(name: &str) -> std::io::Result<UnixListener> {
    use std::os::linux::net::SocketAddrExt as _;
    UnixListener::bind_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn without_path(_: &str) -> std::io::Result<UnixListener> {
    Err(std::io::ErrorKind::Unsupported.into())
}

async fn tried(confine: Sandboxes, data: &DataDir) -> anyhow::Result<Vec<Attempt>> {
    // Short: the path of a socket must be.
    let place = tempfile::Builder::new().prefix("doctor-").tempdir()?;
    let name = place.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = place.path().join("socket");
    let others = Others::listening(&path, &name).await.context("no place to listen at")?;
    let allowed = others.allowed.local_addr()?;
    let mut listening = vec![allowed];
    for other in &others.refused {
        listening.push(other.local_addr()?);
    }
    let by_name = format!("localhost:{}", allowed.port());
    let refused = listening[1..].iter().map(ToString::to_string).chain([by_name]).collect();
    let attempts = Attempts {
        read: Vec::new(),
        write: vec![data.path().join("doctor.probe")],
        connect: allowed,
        // What it may do to the daemon is tried by the other check.
        other: 0,
        allowed: place.path().join("probe"),
        beyond: Some(Beyond {
            allowed: allowed.to_string(),
            refused,
            listening,
            answering: others.answering,
            path,
            name,
        }),
    };
    let own = std::env::current_exe()?;
    let hosts = vec![allowed.to_string().parse()?];
    let sandbox = Sandbox { mode: Mode::Required, hosts, executable: vec![own.clone()], ..Sandbox::default() };
    let limits = Limits { wall_time: Some(TIME_MAX), grace: Duration::ZERO, ..Limits::default() };
    let spec = Spec::new(&own).args([PROBE.to_owned(), attempts.to_argument()]);
    let spec = spec.working_directory(place.path()).limits(limits);
    let mut process = Process::spawn(spawn_blocking(move || confine.confine(spec, &sandbox)).await??)?;
    let mut printed = String::new();
    while let Some(output) = process.next().await {
        if let Output::Line { text, .. } = output {
            printed.push_str(&text);
        }
    }
    process.wait().await;
    serde_json::from_str(&printed).with_context(|| format!("it said: {printed}"))
}
