use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::PROXY_PORT;

/// The first argument by which a program knows that it is to call [`attempt_all`].
pub const PROBE: &str = "__confine_probe";

/// How long a connection to this machine is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a confined process tries, to show that it cannot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attempts {
    /// Files that are there, and must not be readable.
    pub read: Vec<PathBuf>,
    /// Files that are not there, and must not be makeable.
    pub write: Vec<PathBuf>,
    /// An address that listens.
    pub connect: SocketAddr,
    /// A process of the same user.
    pub other: u32,
    /// What may be written: to show that not simply everything is refused.
    pub allowed: PathBuf,
    /// Whom it tries to reach besides, if it may speak to some hosts.
    #[serde(default)]
    pub beyond: Option<Beyond>,
}

/// Whom a program tries to reach that may speak to some hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Beyond {
    /// `host:port` that it may speak to, and must be able to.
    pub allowed: String,
    /// Such that it may not, and that listen.
    pub refused: Vec<String>,
    /// Addresses that listen, and must be reached by nobody without the proxy.
    pub listening: Vec<SocketAddr>,
    /// An address that answers whatever comes by UDP.
    pub answering: SocketAddr,
    /// A Unix socket that listens.
    pub path: PathBuf,
    /// The name of one without a path.
    pub name: String,
}

/// One of them, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// In words: `read /data/admin.token`.
    pub what: String,
    /// Whether it was stopped.
    pub outcome: Outcome,
    /// What the system said.
    pub detail: String,
}

/// Whether an attempt was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As it must be.
    Stopped,
    /// It worked, and must not have.
    Escaped,
    /// It worked, and had to.
    Worked,
    /// It did not work, and had to.
    Broken,
}

impl Attempts {
    /// The argument that follows [`PROBE`].
    pub fn to_argument(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Tries everything, in this process, and tells it as JSON: a list of [`Attempt`]s. What works leaves nothing behind.
///
/// # Errors
/// If the argument is not what [`Attempts::to_argument`] makes.
pub fn attempt_all(argument: &str) -> Result<String, serde_json::Error> {
    let attempts: Attempts = serde_json::from_str(argument)?;
    let mut all = vec![must_work(format!("write {}", attempts.allowed.display()), write(&attempts.allowed))];
    for path in &attempts.read {
        all.push(must_fail(format!("read {}", path.display()), fs::read(path).map(drop)));
    }
    for path in &attempts.write {
        all.push(must_fail(format!("write {}", path.display()), write(path)));
    }
    all.push(must_fail("connect by TCP", TcpStream::connect_timeout(&attempts.connect, PATIENCE).map(drop)));
    match &attempts.beyond {
        Some(beyond) => all.extend(beyond.attempt_all()),
        None => all.push(must_fail("make a UDP socket", UdpSocket::bind("127.0.0.1:0").map(drop))),
    }
    all.extend(of_other(attempts.other));
    serde_json::to_string(&all)
}

impl Beyond {
    fn attempt_all(&self) -> Vec<Attempt> {
        let mut all = vec![must_work(format!("connect to {} by its proxy", self.allowed), by_proxy(&self.allowed))];
        for target in &self.refused {
            all.push(must_fail(format!("connect to {target} by its proxy"), by_proxy(target)));
        }
        for address in &self.listening {
            all.push(must_fail(format!("connect to {address} without it"), connect(*address)));
        }
        // On its own network it listens at one address only; elsewhere something else does.
        for address in [[127, 0, 0, 2].into(), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let address = SocketAddr::new(address, PROXY_PORT);
            all.push(must_fail(format!("connect to {address}"), connect(address)));
        }
        all.push(must_fail("be answered by UDP", asked(self.answering)));
        all.push(must_fail("connect to a Unix socket", UnixStream::connect(&self.path).map(drop)));
        all.extend(abstract_socket(&self.name));
        all
    }
}

#[cfg(target_os = "linux")]
fn abstract_socket(name: &str) -> Option<Attempt> {
    use std::os::linux::net::SocketAddrExt as _;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name);
    let tried = address.and_then(|address| UnixStream::connect_addr(&address)).map(drop);
    Some(must_fail("connect to an abstract socket", tried))
}

#[cfg(not(target_os = "linux"))]
fn abstract_socket(_: &str) -> Option<Attempt> {
    None
}

fn connect(address: SocketAddr) -> io::Result<()> {
    TcpStream::connect_timeout(&address, PATIENCE).map(drop)
}

fn by_proxy(target: &str) -> io::Result<()> {
    let mut proxy = TcpStream::connect_timeout(&SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PROXY_PORT), PATIENCE)?;
    proxy.set_read_timeout(Some(PATIENCE))?;
    write!(proxy, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")?;
    let mut answer = [0; 12];
    proxy.read_exact(&mut answer)?;
    match answer.ends_with(b" 200") {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
    }
}

fn asked(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    socket.connect(address)?;
    socket.send(b"x")?;
    socket.recv(&mut [0; 16]).map(drop)
}

fn write(path: &PathBuf) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(b"x")?;
    fs::remove_file(path)
}

#[cfg(target_os = "linux")]
fn of_other(pid: u32) -> Vec<Attempt> {
    use rustix::process::{
        Pid, PidfdFlags, PidfdGetfdFlags, Resource, getrlimit, pidfd_getfd, pidfd_open, prlimit, test_kill_process,
    };
    let Some(other) = Pid::from_raw(pid.cast_signed()) else { return Vec::new() };
    let taken = pidfd_open(other, PidfdFlags::empty())
        .and_then(|other| pidfd_getfd(other, 0, PidfdGetfdFlags::empty()))
        .map(drop);
    // What it has already: nothing changes if it is allowed to.
    let limit = prlimit(Some(other), Resource::Core, getrlimit(Resource::Core)).map(drop);
    let namespace = rustix::process::chroot("/");
    vec![
        must_fail("signal the daemon", test_kill_process(other).map_err(io::Error::from)),
        must_fail("read the daemon's environment", fs::read(format!("/proc/{pid}/environ")).map(drop)),
        must_fail("open the daemon's memory", fs::File::open(format!("/proc/{pid}/mem")).map(drop)),
        must_fail("take a descriptor of the daemon", taken.map_err(io::Error::from)),
        must_fail("limit the daemon", limit.map_err(io::Error::from)),
        must_fail("change the root directory", namespace.map_err(io::Error::from)),
    ]
}

#[cfg(not(target_os = "linux"))]
fn of_other(_: u32) -> Vec<Attempt> {
    Vec::new()
}

fn must_fail(what: impl Into<String>, tried: io::Result<()>) -> Attempt {
    let (outcome, detail) = match tried {
        Ok(()) => (Outcome::Escaped, "it worked".to_owned()),
        Err(error) => (Outcome::Stopped, error.to_string()),
    };
    Attempt { what: what.into(), outcome, detail }
}

fn must_work(what: impl Into<String>, tried: io::Result<()>) -> Attempt {
    let (outcome, detail) = match tried {
        Ok(()) => (Outcome::Worked, "it worked".to_owned()),
        Err(error) => (Outcome::Broken, error.to_string()),
    };
    Attempt { what: what.into(), outcome, detail }
}
