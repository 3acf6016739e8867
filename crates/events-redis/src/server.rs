use std::io::{BufRead as _, BufReader, Error, Read as _, Result, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Between finding a free port and using it somebody else may take it.
const STARTS_MAX: usize = 5;
const READY: &str = "Ready to accept connections";
/// Where Redis usually listens.
const USUALLY: &str = "redis://127.0.0.1:6379";

/// The Redis that tests share, each with a prefix of its own: that of `TEST_REDIS_URL`, else the local one.
#[expect(clippy::disallowed_methods, reason = "a test's own setting, not a program's")]
pub fn server_url() -> String {
    std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| USUALLY.to_owned())
}

/// A Redis of one test, on a free port of this machine, without a file; ended when this is dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    arguments: Vec<String>,
    directory: tempfile::TempDir,
    child: Option<Child>,
}

impl Server {
    /// Starts it and waits until it accepts connections.
    ///
    /// # Errors
    /// `redis-server` is not installed (package `redis-server`, with Homebrew `redis`), or ends by itself.
    pub fn start() -> Result<Self> {
        Self::start_with(|port| vec!["--port".into(), port.to_string()])
    }

    /// With other arguments, made from the port it shall listen on.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(arguments: impl Fn(u16) -> Vec<String>) -> Result<Self> {
        let mut last = None;
        for _ in 0..STARTS_MAX {
            let mut server = Self::absent_with(&arguments)?;
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::other("redis-server was not started")))
    }

    /// One that does not run yet: [`start_again`](Server::start_again) starts it at the address it has already.
    ///
    /// # Errors
    /// There is no free port, or no directory for temporary files.
    pub fn absent() -> Result<Self> {
        Self::absent_with(&|port| vec!["--port".into(), port.to_string()])
    }

    fn absent_with(arguments: &impl Fn(u16) -> Vec<String>) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        Ok(Self { port, arguments: arguments(port), directory: tempfile::tempdir()?, child: None })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port it was told to listen on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it at its address, empty.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
        command.args(&self.arguments).arg("--dir").arg(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let started = command.spawn().map_err(|error| {
            Error::new(
                error.kind(),
                format!("redis-server: {error}; install the package redis-server (Homebrew: redis)"),
            )
        });
        let child = self.child.insert(started?);
        let output = child.stdout.take().ok_or_else(|| Error::other("its output is piped"))?;
        let mut lines = BufReader::new(output).lines();
        let mut said = String::new();
        for line in &mut lines {
            let line = line?;
            if line.contains(READY) {
                // Reads on, so that it never waits for somebody to read.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Ok(());
            }
            said.push_str(&line);
            said.push('\n');
        }
        self.kill();
        Err(Error::other(format!("redis-server ended:\n{said}")))
    }

    /// Ends it at once, with all it holds.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// From now on it accepts connections and answers nothing.
    pub fn stall(&self) {
        self.signal(Signal::STOP);
    }

    /// It answers again.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Deletes everything in it.
    ///
    /// # Errors
    /// It does not run, or does not answer.
    pub fn flush(&self) -> Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.write_all(b"FLUSHALL\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        if &answer == b"+OK\r\n" { Ok(()) } else { Err(Error::other("it was not flushed")) }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, signal).ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
