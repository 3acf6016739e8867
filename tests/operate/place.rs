use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use orchestrator_testkit::{patiently, program};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// A user's home, with a working directory and a directory of programs that is searched first.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn failed(self, status: i32, said: &str) {
        assert!(self.status == status && self.stderr.contains(said), "expected {status} and {said:?}: {self:?}");
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Place {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let place = Self { directory: tempfile::tempdir()? };
        std::fs::create_dir_all(place.path("work"))?;
        std::fs::create_dir_all(place.path("programs"))?;
        Ok(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and whatever directories it needs.
    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        Ok(path)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The command line of the daemon's operator.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Ran {
        self.run(&program("orchestrator").expect("built by `cargo xtask test`"), arguments).await
    }

    pub(crate) async fn run(&self, program: &Path, arguments: &[&str]) -> Ran {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path("work")).env_clear();
        let search = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", self.path("programs").display());
        command.env("PATH", search).env("HOME", self.path("home"));
        let output = patiently(&format!("{} {arguments:?}", program.display()), command.output()).await;
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { status: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}
