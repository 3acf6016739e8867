use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, Metadata, OpenOptions};
use serde::Deserialize;
use serde_json::json;

use super::workspace::check_regular;
use super::{Job, Workspace, path_of};
use crate::{Error, Output, Repeat, Spec};

/// How many names for a temporary file are tried.
const NAMES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    content: String,
}

pub(super) fn spec() -> Spec {
    let properties = json!({
        "path": path_of("The file"),
        "content": { "type": "string", "description": "All of what it shall have in it." },
    });
    let description = "Writes a file, in the place of what was there before. Directories that are missing are made. To change a \
        part of a file, use fs.edit.";
    super::spec("fs.write", description, Repeat::Effective, properties, &["path", "content"])
}

pub(super) fn run(job: &Job, arguments: Arguments) -> Result<Output, Error> {
    let workspace = job.workspace()?;
    make_parent(&workspace, &arguments.path)?;
    let place = Place::find(&workspace, &arguments.path)?;
    let what = if place.before.is_some() { "replaced" } else { "created" };
    place.replace(&workspace, arguments.content.as_bytes(), || job.go_on())?;
    Ok(Output::text(format!("{what} {}: {} bytes", place.path.display(), arguments.content.len())))
}

/// Makes the directories that are missing.
fn make_parent(workspace: &Workspace, path: &str) -> Result<(), Error> {
    let path = workspace.relative(path)?;
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    match workspace.root.open_dir(parent) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            workspace.root.create_dir_all(parent).map_err(|error| workspace.problem(parent, &error))
        }
        Err(error) => Err(workspace.problem(&path, &error)),
    }
}

/// Where a file is, or will be.
pub(super) struct Place {
    /// Relative to the workspace, as it was given.
    pub(super) path: PathBuf,
    /// What is there now, if anything.
    pub(super) before: Option<Metadata>,
    directory: Dir,
    name: PathBuf,
}

impl Place {
    /// A link is followed to the file it leads to.
    pub(super) fn find(workspace: &Workspace, path: &str) -> Result<Self, Error> {
        let path = workspace.relative(path)?;
        let failed = |error| workspace.problem(&path, &error);
        let is_link = workspace.root.symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        let real = if is_link { workspace.root.canonicalize(&path).map_err(failed)? } else { path.clone() };
        let name = real.file_name().ok_or_else(|| Error::Failed(format!("{} is a directory", path.display())))?;
        let name = PathBuf::from(name);
        let parent = real.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = workspace.root.open_dir(parent).map_err(failed)?;
        let before = match directory.symlink_metadata(&name) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        before.iter().try_for_each(|metadata| check_regular(&path, metadata))?;
        Ok(Self { path, before, directory, name })
    }

    /// Puts this in its place, in one moment: who reads sees all of what was before or all of what is now. `permitted` is asked
    /// right before.
    pub(super) fn replace(
        &self,
        workspace: &Workspace,
        content: &[u8],
        permitted: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |error| workspace.problem(&self.path, &error);
        let temporary = Temporary::new(&self.directory).map_err(failed)?;
        temporary.fill(content, self.before.as_ref()).map_err(failed)?;
        permitted()?;
        temporary.become_file(&self.name).map_err(failed)
    }

    /// Whether what is there is still what was there.
    pub(super) fn is_unchanged(&self) -> bool {
        use cap_std::fs::MetadataExt as _;

        let print = |metadata: &Metadata| {
            (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec())
        };
        let now = self.directory.symlink_metadata(&self.name).ok();
        now.as_ref().map(print) == self.before.as_ref().map(print)
    }
}

/// A file beside the one that is written; gone if it does not become that.
struct Temporary<'a> {
    directory: &'a Dir,
    name: PathBuf,
    file: cap_std::fs::File,
    is_kept: std::cell::Cell<bool>,
}

impl<'a> Temporary<'a> {
    fn new(directory: &'a Dir) -> std::io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut result = Err(std::io::ErrorKind::AlreadyExists.into());
        for _ in 0..NAMES_MAX {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = PathBuf::from(format!(".orchestrator-{}-{number}.tmp", std::process::id()));
            match directory.open_with(&name, &options) {
                Ok(file) => return Ok(Self { directory, name, file, is_kept: false.into() }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => result = Err(error),
                Err(error) => return Err(error),
            }
        }
        result
    }

    fn fill(&self, content: &[u8], like: Option<&Metadata>) -> std::io::Result<()> {
        if let Some(like) = like {
            self.file.set_permissions(like.permissions())?;
        }
        (&self.file).write_all(content)?;
        self.file.sync_all()
    }

    fn become_file(&self, name: &Path) -> std::io::Result<()> {
        self.directory.rename(&self.name, self.directory, name)?;
        self.is_kept.set(true);
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_kept.get() {
            let _ = self.directory.remove_file(&self.name);
        }
    }
}
