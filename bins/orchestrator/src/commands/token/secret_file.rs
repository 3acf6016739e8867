//! A file with a secret, which is replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A new file beside the one it will replace, for its owner only. Dropped without being kept, it goes.
pub(super) struct SecretFile {
    path: PathBuf,
    new: PathBuf,
    file: File,
    has_secret: bool,
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path);
    text.map(|text| text.trim().to_owned()).map_err(|error| failed("read", path, &error))
}

/// Once what is in it is worth nothing.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path).map_err(|error| failed("delete", path, &error))
}

impl SecretFile {
    pub(super) fn beside(path: PathBuf) -> Result<Self, Failure> {
        let mut new = path.clone().into_os_string();
        new.push(format!(".{}.new", std::process::id()));
        let new = PathBuf::from(new);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
        let file = file.map_err(|error| failed("write", &new, &error))?;
        Ok(Self { path, new, file, has_secret: false })
    }

    /// Puts the secret where it belongs.
    pub(super) fn keep(mut self, secret: &str) -> Result<PathBuf, Failure> {
        self.has_secret = true;
        let written = writeln!(self.file, "{secret}").and_then(|()| self.file.sync_all());
        written.map_err(|error| failed("write", &self.new, &error))?;
        let kept = fs::rename(&self.new, &self.path);
        let left = |error| Failure::usage(format!("the secret is left in {}: {error}", self.new.display()));
        kept.map(|()| self.path.clone()).map_err(left)
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if !self.has_secret {
            // It is empty, and says by its name what it is.
            let _ = fs::remove_file(&self.new);
        }
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot {what} {}: {error}", path.display()))
}
