//! Where a tail is, kept in a file for its next start.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use orchestrator_client::Topics;
use rustix::fs::{FlockOperation, flock};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// It holds a token.
const MODE: u32 = 0o600;

/// A file that one tail at a time writes, and nobody but its owner reads.
#[derive(Debug)]
pub(crate) struct Bookmark {
    file: File,
    path: PathBuf,
    place: Place,
    /// Of the longest text so far: shorter ones are filled up, so that one write replaces all.
    bytes: usize,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Place {
    events: Vec<String>,
    #[serde(default)]
    filter: Map<String, Value>,
    resume_token: Option<String>,
    /// The last number that was shown.
    after: Option<u64>,
}

impl Bookmark {
    /// Opens the file, or makes it, for a tail of these events. Nothing is written to a file that is not of such a tail.
    pub(crate) fn open(path: &Path, topics: &Topics) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::failed(format!("cannot use {}: {error}", path.display()));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(MODE);
        let mut file = options.open(path).map_err(failed)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Failure::failed(format!("another tail goes on in {}", path.display())));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let place = match text.trim() {
            "" => Place { events: topics.events.clone(), filter: topics.filter.clone(), ..Place::default() },
            text => serde_json::from_str(text)
                .map_err(|_| Failure::usage(format!("{} is not where a tail has been", path.display())))?,
        };
        if place.events != topics.events || place.filter != topics.filter {
            let problem = format!("{} is of a tail of other events: {}", path.display(), place.events.join(" "));
            return Err(Failure::usage(problem).hint("give the same patterns and conditions, or another file"));
        }
        file.set_permissions(Permissions::from_mode(MODE)).map_err(failed)?;
        Ok(Self { file, path: path.to_owned(), place, bytes: text.len() })
    }

    pub(crate) fn token(&self) -> Option<SecretString> {
        self.place.resume_token.clone().map(SecretString::from)
    }

    /// The last number that was shown, if the file is not new.
    pub(crate) fn after(&self) -> Option<u64> {
        self.place.after
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The daemon knows the tail by another token from now on.
    pub(crate) fn renew(&mut self, token: Option<SecretString>) -> Result<(), Failure> {
        self.place.resume_token = token.map(|token| token.expose_secret().to_owned());
        self.write()
    }

    /// Everything up to this number has been shown.
    pub(crate) fn reached(&mut self, seq: u64) -> Result<(), Failure> {
        self.place.after = self.place.after.max(Some(seq));
        self.write()
    }

    /// One write over what was there: whenever this program is killed, the file is either of before or of after.
    fn write(&mut self) -> Result<(), Failure> {
        let text = serde_json::to_string(&self.place).map_err(|error| Failure::failed(error.to_string()))?;
        let text = format!("{text:<width$}\n", width = self.bytes.saturating_sub(1));
        self.bytes = text.len();
        let written = self.file.write_all_at(text.as_bytes(), 0);
        written.map_err(|error| Failure::failed(format!("cannot write {}: {error}", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::new(["task.*"]).with_field("status", "done")
    }

    #[test]
    fn a_place_is_kept_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tail");
        let mut bookmark = Bookmark::open(&path, &topics()).unwrap();
        assert!(bookmark.token().is_none() && bookmark.after().is_none());
        bookmark.renew(Some("a longer token".into())).unwrap();
        bookmark.reached(1_000).unwrap();
        bookmark.reached(7).unwrap();
        bookmark.renew(Some("short".into())).unwrap();
        drop(bookmark);
        let bookmark = Bookmark::open(&path, &topics()).unwrap();
        assert_eq!(bookmark.token().unwrap().expose_secret(), "short");
        assert_eq!(bookmark.after(), Some(1_000));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
    }

    #[test]
    fn one_tail_at_a_time_goes_on_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tail");
        let first = Bookmark::open(&path, &topics()).unwrap();
        assert!(Bookmark::open(&path, &topics()).unwrap_err().message().contains("another tail"));
        drop(first);
        assert!(Bookmark::open(&path, &topics()).is_ok());
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tail");
        std::fs::write(&path, "somebody's notes").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(Bookmark::open(&path, &topics()).unwrap_err().message().contains("not where a tail"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's notes");
    }
}
