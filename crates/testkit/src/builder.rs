use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use orchestrator_sql::{Backend, Scratch};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::output::{LISTENING, Output};
use crate::{Daemon, PATIENCE, binary};

const PROGRAM: &str = "orchestrator-daemon";
/// Of our own environment these reach the daemon: where programs are, and where coverage is written.
const INHERITED: [&str; 2] = ["PATH", "LLVM_PROFILE_FILE"];

/// How a daemon will be started. Kept by the [`Daemon`], to start it again.
#[derive(Debug, Clone)]
pub struct Builder {
    config: Value,
    /// Name and text of a configuration file that is used instead of `config`.
    config_file: Option<(String, String)>,
    working_directory: Option<PathBuf>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    backend: Backend,
    database: Option<Arc<Scratch>>,
    directory: Option<Arc<TempDir>>,
    disk: Option<Disk>,
}

/// A disk that a directory lies on, which is there for the daemon alone.
#[derive(Debug, Clone)]
struct Disk {
    /// Below the data directory.
    directory: String,
    bytes: u64,
}

/// How a program ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// All it printed.
    pub output: String,
    _directory: Option<Arc<TempDir>>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            config: json!({}),
            config_file: None,
            working_directory: None,
            environment: Vec::new(),
            arguments: Vec::new(),
            backend: Backend::Sqlite,
            database: None,
            directory: None,
            disk: None,
        }
    }

    /// Adds to the configuration file, section by section: what is given wins over what was there, `null` takes it away.
    #[must_use]
    pub fn config(mut self, more: Value) -> Self {
        merge(&mut self.config, more);
        self
    }

    /// Uses this text as the configuration file, instead of what [`config`](Self::config) was given.
    #[must_use]
    pub fn config_file(mut self, name: &str, text: &str) -> Self {
        self.config_file = Some((name.to_owned(), text.to_owned()));
        self
    }

    /// Runs it in this directory instead of an empty one of its own.
    #[must_use]
    pub fn working_directory(mut self, path: &Path) -> Self {
        self.working_directory = Some(path.to_owned());
        self
    }

    /// Lifts the rate limits, for tests that send much and are about something else.
    #[must_use]
    pub fn without_rate_limits(self) -> Self {
        self.config(json!({"rateLimit": {"enabled": false}}))
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Where tasks are kept. A PostgreSQL database is made for this daemon and dropped after it.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    pub(crate) fn database_url(&self) -> Option<&str> {
        self.database.as_ref().map(|database| database.url())
    }

    /// Shares the database of another daemon.
    #[must_use]
    pub fn database_of(mut self, other: &Daemon) -> Self {
        self.database = other.again().database;
        self
    }

    /// Shares the data directory of another daemon.
    #[must_use]
    pub fn directory_of(mut self, other: &Daemon) -> Self {
        self.directory = other.again().directory;
        self
    }

    /// Lays a directory below the data directory, or that itself if it is empty, on a disk of this size (Linux). It is gone when the
    /// daemon ends. [`Daemon::data_directory`] leads to it.
    #[must_use]
    pub fn on_disk_of(mut self, directory: &str, bytes: u64) -> Self {
        self.disk = Some(Disk { directory: directory.to_owned(), bytes });
        self
    }

    /// Starts the daemon and waits until it listens.
    ///
    /// # Errors
    /// The program is not built, there is no database server, or the daemon ended: with all it printed.
    pub async fn start(mut self) -> anyhow::Result<Daemon> {
        let (mut child, output, readers) = self.spawn().await?;
        let started = tokio::time::timeout(PATIENCE, async {
            tokio::select! {
                url = output.url() => Ok(url),
                status = child.wait() => Err(status),
            }
        });
        match started.await {
            Ok(Ok(url)) => Daemon::started(self, child, output, readers, url),
            Ok(Err(status)) => {
                finish(readers).await;
                bail!(
                    "the daemon ended at its start ({}):\n{}",
                    status.context("waiting for the daemon")?,
                    output.text()
                )
            }
            Err(_) => bail!("the daemon printed no `listening on http://…` within {PATIENCE:?}:\n{}", output.text()),
        }
    }

    /// Starts a daemon that must refuse that, and waits for its end.
    ///
    /// # Panics
    /// If it starts all the same.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn refused(self) -> anyhow::Result<Ended> {
        let ended = self.ended("the daemon to refuse its start").await?;
        assert!(!ended.output.contains(LISTENING), "the daemon should have refused its start: {}", ended.output);
        Ok(ended)
    }

    /// Runs the program until it ends by itself.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn ended(mut self, what: &str) -> anyhow::Result<Ended> {
        let (mut child, output, readers) = self.spawn().await?;
        let status = match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(status) => status?,
            Err(_) => bail!("waited {PATIENCE:?} in vain for {what}:\n{}", output.text()),
        };
        finish(readers).await;
        Ok(Ended { status, output: output.text(), _directory: self.directory })
    }

    /// The data directory of the daemon that runs as this process.
    pub(crate) fn data_directory(&self, process: u32) -> anyhow::Result<PathBuf> {
        let path = self.directory.as_deref().context("the daemon was never started")?.path().join("data");
        if self.disk.is_none() {
            return Ok(path);
        }
        // proc_pid_root(5): as that process sees it, with what is mounted for it.
        Ok(PathBuf::from(format!("/proc/{process}/root")).join(path.strip_prefix("/")?))
    }

    async fn spawn(&mut self) -> anyhow::Result<(Child, Output, JoinSet<()>)> {
        let program = binary::path(PROGRAM)?;
        if self.backend == Backend::Postgres && self.database.is_none() {
            self.database = Some(Arc::new(Scratch::create(Backend::Postgres).await?));
        }
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => self.directory.insert(Arc::new(tempfile::tempdir()?)).clone(),
        };
        let mut command = self.command(&program, directory.path())?;
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let (output, mut readers) = (Output::new(), JoinSet::new());
        output.follow(child.stdout.take().context("its output is piped")?, &mut readers);
        output.follow(child.stderr.take().context("its errors are piped")?, &mut readers);
        Ok((child, output, readers))
    }

    fn command(&self, program: &Path, directory: &Path) -> anyhow::Result<Command> {
        // A working directory of its own: nobody's `.env` and `orchestrator.toml` are read.
        let work = self.working_directory.clone().unwrap_or_else(|| directory.join("work"));
        std::fs::create_dir_all(&work)?;
        // Sessions of one test are not to know of each other, unless it is about that.
        let mut config = json!({"memory": {"recallTokens": 0}});
        merge(&mut config, self.config.clone());
        let plain = || ("config.json".to_owned(), config.to_string());
        let (name, text) = self.config_file.clone().unwrap_or_else(plain);
        let config = directory.join(name);
        std::fs::write(&config, text)?;
        let mut command = match &self.disk {
            None => Command::new(program),
            Some(disk) => on_disk(disk, &directory.join("data").join(&disk.directory), program)?,
        };
        command.args(&self.arguments);
        command.args(["--port", "0", "--config"]).arg(config).arg("--data-dir").arg(directory.join("data"));
        command.env_clear().envs(inherited());
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", database.url());
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(work).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}

/// Becomes the program, once the disk is mounted in namespaces of its own: they need no rights, and nobody else sees it.
fn on_disk(disk: &Disk, at: &Path, program: &Path) -> anyhow::Result<Command> {
    std::fs::create_dir_all(at)?;
    let mount = r#"mount -t tmpfs -o "mode=700,size=$1" none "$2" && shift 2 && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]);
    command.arg(disk.bytes.to_string()).arg(at).arg(program);
    Ok(command)
}

#[expect(clippy::disallowed_methods, reason = "passed on to the daemon, which reads its own settings")]
fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Reads what is left in the pipes of a program that has ended. Its orphans may hold them open: then it is enough.
pub(crate) async fn finish(mut readers: JoinSet<()>) {
    let all = async { while readers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), all).await;
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_configuration_wins_key_by_key() {
        let builder = Builder::new().config(json!({"daemon": {"maxSessions": 1, "name": "a"}}));
        let builder = builder.config(json!({"daemon": {"maxSessions": 2}, "metrics": {"enabled": false}}));
        let expected = json!({"daemon": {"maxSessions": 2, "name": "a"}, "metrics": {"enabled": false}});
        assert_eq!(builder.config, expected);
        assert_eq!(
            builder.config(json!({"daemon": {"name": null}, "metrics": null})).config,
            json!({"daemon": {"maxSessions": 2}})
        );
    }
}
