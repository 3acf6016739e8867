//! The installed git, run so that nothing in a repository can make it run something else.

mod hardened;
mod repository;

use std::path::{Path, PathBuf};
use std::time::Duration;

use orchestrator_process::{Framing, Limits, Output, Process, Spec, Status, Stream};

use crate::{Config, Error};

pub(crate) use repository::{Fit, Repository, probe};

/// What a command may print where its output is a list of paths.
const LIST_BYTES_MAX: u64 = 64 << 20;
const STDERR_BYTES_MAX: usize = 64 << 10;
/// How much of what git complained is told.
const SAID_CHARS_MAX: usize = 2_000;

/// How git is called.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    pub(crate) timeout: Duration,
    /// Whose processes these are, so that what a crashed run left behind is ended.
    pub(crate) owner: String,
    pub(crate) author: (String, String),
}

/// Where a command works.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    /// Said instead of found: what lies in a directory that an agent wrote to is not asked where its repository is.
    pub(crate) git_dir: Option<PathBuf>,
    pub(crate) index: Option<PathBuf>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) truncated: bool,
}

impl Git {
    pub(crate) fn new(config: &Config, owner: &str) -> Self {
        Self {
            timeout: config.git_timeout(),
            owner: owner.to_owned(),
            author: (config.author_name.clone(), config.author_email.clone()),
        }
    }

    /// Runs a command to its end, whatever its exit code.
    pub(crate) async fn run(
        &self,
        place: &Place,
        extra: &[(String, String)],
        args: &[&str],
        output_bytes_max: u64,
    ) -> Result<Ran, Error> {
        let limits = Limits { wall_time: Some(self.timeout), output_bytes_max, ..Limits::default() };
        let mut spec = Spec::new("git")
            .args(args.iter().copied())
            .working_directory(&place.directory)
            .environment(hardened::environment(self, place, extra))
            .framing(Framing::Chunks)
            .limits(limits);
        spec.owner = Some(self.owner.clone());
        let what = args.first().copied().unwrap_or_default();
        let failed = |said: String| Error::Git { what: what.to_owned(), said };
        let mut process = Process::spawn(spec).map_err(|error| match error {
            orchestrator_process::Error::NotFound { .. } => Error::NoGit,
            other => failed(other.to_string()),
        })?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(output) = process.next().await {
            match output {
                Output::Chunk { stream: Stream::Stdout, bytes } => stdout.extend_from_slice(&bytes),
                Output::Chunk { bytes, .. } if stderr.len() < STDERR_BYTES_MAX => stderr.extend_from_slice(&bytes),
                _ => {}
            }
        }
        let exit = process.wait().await;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        match exit.status {
            Status::Exited(code) => Ok(Ran { code, stdout, stderr, truncated: exit.truncated }),
            Status::TimedOut => Err(failed(format!("it took longer than {} ms", self.timeout.as_millis()))),
            other => Err(failed(format!("{other:?} {}", stderr.trim()))),
        }
    }
}

impl Place {
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), git_dir: None, index: None }
    }
}

impl Ran {
    /// Its output, if it succeeded.
    pub(crate) fn success(self, what: &str) -> Result<Vec<u8>, Error> {
        match self.code {
            0 => Ok(self.stdout),
            _ => Err(self.failure(what)),
        }
    }

    pub(crate) fn failure(&self, what: &str) -> Error {
        let printed = if self.stderr.trim().is_empty() { self.text() } else { self.stderr.clone() };
        Error::Git { what: what.to_owned(), said: printed.trim().chars().take(SAID_CHARS_MAX).collect() }
    }

    pub(crate) fn text(&self) -> String {
        line(&self.stdout)
    }
}

/// Output that is one line.
pub(crate) fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end_matches('\n').to_owned()
}

/// Output of `-z`.
pub(crate) fn items(output: &[u8]) -> Vec<String> {
    let parts = output.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}
