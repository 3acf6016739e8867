use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::process::Child;
use tokio::task::JoinSet;

use crate::builder::finish;
use crate::output::Output;
use crate::{Builder, Http, Socket, patiently};

/// Lines of the log that a failing test shows.
const LINES_SHOWN: usize = 60;

/// A running daemon. Dropping it kills it; a failing test prints the end of its log.
#[derive(Debug)]
pub struct Daemon {
    builder: Builder,
    child: Child,
    output: Output,
    readers: JoinSet<()>,
    url: String,
    data_directory: PathBuf,
    admin_token: String,
}

impl Daemon {
    /// A daemon with no configuration, on SQLite, unless told otherwise.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn started(
        builder: Builder,
        child: Child,
        output: Output,
        readers: JoinSet<()>,
        url: String,
    ) -> anyhow::Result<Self> {
        let data_directory = builder.data_directory(child.id().context("the daemon ended at its start")?)?;
        let read = |name: &str| {
            let text = std::fs::read_to_string(data_directory.join(name));
            text.with_context(|| format!("the daemon listens and there is no {name} in its data directory"))
        };
        let written = read("daemon.addr")?;
        let address = url.split_once("://").map_or(url.as_str(), |(_, address)| address);
        ensure!(written.contains(address), "daemon.addr says {written:?}, the daemon printed {url:?}");
        let admin_token = read("admin.token")?.trim().to_owned();
        Ok(Self { builder, child, output, readers, url, data_directory, admin_token })
    }

    /// The address of its database, if that is one of its own on a server.
    pub fn database_url(&self) -> Option<&str> {
        self.builder.database_url()
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's API key.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Where its database, keys and tokens are.
    pub fn data_directory(&self) -> &Path {
        &self.data_directory
    }

    /// Where it runs, and its agent programs with it: an empty directory at first.
    pub fn work_directory(&self) -> PathBuf {
        self.data_directory.with_file_name("work")
    }

    /// All it has printed since it was started.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it has ended by itself.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the daemon runs")
    }

    /// A connection with this credential.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn socket(&self, token: &str) -> Socket {
        let authorization = format!("Bearer {token}");
        match Socket::open(&self.url, &[("authorization", &authorization)]).await {
            Ok(socket) => socket,
            Err(unopened) => panic!("no WebSocket to {}: {unopened:?}", self.url),
        }
    }

    /// A connection of the administrator that authenticates by its first call, and what it was answered.
    pub async fn arrive(&self, resume: Option<&str>) -> (Socket, serde_json::Value) {
        Socket::arrive(&self.url, &self.admin_token, resume).await
    }

    /// A connection of the administrator.
    pub async fn admin(&self) -> Socket {
        self.socket(&self.admin_token).await
    }

    /// Requests without a credential.
    pub fn http(&self) -> Http {
        Http::at(&self.url)
    }

    /// Requests of the administrator.
    pub fn admin_http(&self) -> Http {
        self.http().with_token(&self.admin_token)
    }

    /// How it was started: starts another one on the same data directory and database, once this one has ended.
    pub fn again(&self) -> Builder {
        self.builder.clone()
    }

    /// SIGKILL. What it answers starts a daemon on the same data directory and database.
    pub async fn kill(mut self) -> Builder {
        let builder = self.builder.clone();
        patiently("the killed daemon to end", self.child.kill()).await.expect("the daemon runs and is ours");
        builder
    }

    /// SIGTERM, and how it ended, with all it printed.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        let status = patiently("the daemon to end after SIGTERM", self.child.wait()).await;
        finish(std::mem::take(&mut self.readers)).await;
        (status.expect("the daemon is ours"), self.output.text())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.raw_pid() {
            kill_process(pid, signal).expect("the daemon runs and is ours");
        }
    }

    fn raw_pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = self.raw_pid()
            && kill_process(pid, Signal::KILL).is_ok()
        {
            // Waited for, so that nothing writes into the data directory while that is removed.
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
        if std::thread::panicking() {
            eprintln!("--- the end of the log of {}\n{}\n---", self.url, self.output.end(LINES_SHOWN));
        }
    }
}
