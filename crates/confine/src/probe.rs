use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    all.push(must_fail("make a UDP socket", UdpSocket::bind("127.0.0.1:0").map(drop)));
    all.extend(of_other(attempts.other));
    serde_json::to_string(&all)
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
