use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use orchestrator_testkit::{Ran, patiently, program};
use tempfile::TempDir;
use tokio::process::Command;

/// A user's home, with a working directory and a directory of programs that is searched first.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
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
        output.unwrap_or_else(|error| panic!("{}: {error}", program.display())).into()
    }
}
