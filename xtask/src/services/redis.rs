//! A throw-away Redis: in memory, on a free port of the loopback interface.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::environment::find_program;
use crate::services::install::{self, Package};

const PACKAGE: Package = Package {
    title: "Redis",
    debian: "redis-server",
    homebrew: "redis",
    instead: " (tests start servers of their own, beside one that runs)",
};
const PROGRAM: &str = "redis-server";
/// Where Homebrew puts the program.
const PROGRAM_FOLDERS: [&str; 2] = ["/opt/homebrew/opt/redis/bin", "/usr/local/opt/redis/bin"];
const READY: &str = "Ready to accept connections";
const TIMEOUT: Duration = Duration::from_secs(2);
/// Between finding a free port and using it somebody else may take it.
const STARTS_MAX: u32 = 3;
/// The server that outlives us.
const KEPT: &str = "redis-kept";
/// Servers of runs, each with the number of a slot.
const FOR_RUN: &str = "redis-run-";
const SLOTS: u32 = 64;

/// A running server that ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    directory: PathBuf,
    url: String,
    child: Child,
    /// Held as long as we live: by the lock, the next run knows that the server is still used.
    _lock: File,
}

impl Server {
    pub(super) fn start_for_this_run(home: &Path) -> Result<Self> {
        let program = program()?;
        for slot in 0..SLOTS {
            let directory = home.join(format!("{FOR_RUN}{slot}"));
            std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
            let lock = File::create(directory.join("lock"))?;
            if lock.try_lock().is_err() {
                continue; // another run is using it
            }
            stop(&directory); // left over from a run that was interrupted
            let (child, url) = start(&program, &directory)?;
            return Ok(Self { directory, url, child, _lock: lock });
        }
        bail!("{SLOTS} runs of tests use a Redis in {}", home.display())
    }

    /// Starts a server that stays until [`Server::stop_kept`] and returns its address.
    pub(super) fn start_and_keep(home: &Path) -> Result<String> {
        let directory = home.join(KEPT);
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        stop(&directory);
        Ok(start(&program()?, &directory)?.1)
    }

    pub(super) fn kept_url(home: &Path) -> Option<String> {
        url_in(&home.join(KEPT))
    }

    /// Whether there was one.
    pub(super) fn stop_kept(home: &Path) -> Result<bool> {
        if Self::kept_url(home).is_none() {
            return Ok(false);
        }
        let directory = home.join(KEPT);
        stop(&directory);
        std::fs::remove_dir_all(&directory).with_context(|| format!("cannot delete {}", directory.display()))?;
        Ok(true)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(self.directory.join("url")).ok();
    }
}

/// The installed program; installs it where that is allowed.
pub(super) fn program() -> Result<PathBuf> {
    let folders = PROGRAM_FOLDERS.map(PathBuf::from);
    if let Some(found) = find_program(PROGRAM, &folders) {
        return Ok(found);
    }
    install::install(&PACKAGE)?;
    find_program(PROGRAM, &folders).context("Redis was installed and its `redis-server` is still not found")
}

fn start(program: &Path, directory: &Path) -> Result<(Child, String)> {
    let mut last = None;
    for _ in 0..STARTS_MAX {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        match start_on(program, directory, port) {
            Ok(child) => {
                let url = format!("redis://127.0.0.1:{port}");
                std::fs::write(directory.join("url"), &url)?;
                return Ok((child, url));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("Redis was not started")?)
}

/// It is a group of its own: an interrupt from the terminal is for us, who end it.
fn start_on(program: &Path, directory: &Path, port: u16) -> Result<Child> {
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(directory).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut said = String::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line.contains(READY) {
            return Ok(child);
        }
        said.push_str(&line);
        said.push('\n');
    }
    child.wait()?;
    bail!("Redis does not start; it says:\n{said}")
}

/// Ends the server that the directory tells of, if it still runs.
fn stop(directory: &Path) {
    if let Some(url) = url_in(directory) {
        // It closes the connection instead of answering.
        say(&url, "SHUTDOWN NOSAVE").ok();
        std::fs::remove_file(directory.join("url")).ok();
    }
}

fn url_in(directory: &Path) -> Option<String> {
    std::fs::read_to_string(directory.join("url")).ok()
}

/// Whether something listens there; the tests find out whether it lets them in.
pub(super) fn is_reachable(url: &str) -> Result<()> {
    connect(url).context("no Redis at the address that is named")?;
    Ok(())
}

/// Whether a Redis is there that lets us in without a password.
pub(super) fn answers(url: &str) -> bool {
    say(url, "PING").is_ok_and(|answer| answer.starts_with("+PONG"))
}

fn say(url: &str, command: &str) -> Result<String> {
    let mut stream = connect(url)?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn connect(url: &str) -> Result<TcpStream> {
    let (host, port) = address(url).context("the address of Redis cannot be read")?;
    let mut last = None;
    for candidate in (host.as_str(), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("the name has no address"), Into::into))
}

/// Host and port of `redis://user:password@host:port/database`.
fn address(url: &str) -> Option<(String, u16)> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (place, 6379),
    };
    Some((host.trim_matches(['[', ']']).to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        let is = |url: &str, host: &str, port: u16| assert_eq!(address(url), Some((host.to_owned(), port)), "{url}");
        is("redis://127.0.0.1", "127.0.0.1", 6379);
        is("rediss://me:p@ss@redis.example:7000/2", "redis.example", 7000);
        is("redis://[::1]:7000", "::1", 7000);
        is("redis://[::1]", "::1", 6379);
        assert_eq!(address("127.0.0.1"), None);
    }

    #[test]
    fn a_server_answers_until_its_value_ends() {
        let home = tempfile::tempdir().unwrap();
        let server = Server::start_for_this_run(home.path()).unwrap();
        let url = server.url().to_owned();
        assert!(answers(&url));
        let other = Server::start_for_this_run(home.path()).unwrap();
        assert_ne!(url, other.url(), "runs side by side have servers of their own");
        drop(server);
        assert!(!answers(&url));
    }

    #[test]
    fn a_kept_server_is_found_and_ended_by_another_run() {
        let home = tempfile::tempdir().unwrap();
        let url = Server::start_and_keep(home.path()).unwrap();
        assert_eq!(Server::kept_url(home.path()), Some(url.clone()));
        assert!(answers(&url));
        assert!(Server::stop_kept(home.path()).unwrap());
        assert!(!answers(&url));
        assert!(!Server::stop_kept(home.path()).unwrap());
    }

    #[test]
    fn a_server_that_wants_a_password_is_left_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"-NOAUTH Authentication required.\r\n").unwrap();
        });
        assert!(!answers(&url));
        server.join().unwrap();
    }
}
