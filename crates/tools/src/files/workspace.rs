use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use tokio_util::sync::CancellationToken;

use crate::{Error, ToolName};

/// How many names of a directory are looked at to find one that was meant.
const NAMES_COMPARED_MAX: usize = 2_000;

/// One call of a tool for files.
pub(crate) struct Job {
    pub(crate) tool: ToolName,
    pub(crate) path: Option<PathBuf>,
    pub(crate) cancel: CancellationToken,
}

/// The directory that nothing leads out of.
pub(crate) struct Workspace {
    pub(crate) root: Dir,
    pub(crate) path: PathBuf,
}

impl Job {
    pub(crate) fn workspace(&self) -> Result<Workspace, Error> {
        Workspace::open(self.path.as_deref())
    }

    /// To be asked every now and then: nobody may want the result any more.
    pub(crate) fn go_on(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled(self.tool.clone())) } else { Ok(()) }
    }
}

impl Workspace {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let path = path.ok_or_else(|| Error::Refused("this call has no workspace".to_owned()))?;
        let root = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|error| Error::Failed(format!("the workspace cannot be opened: {error}")))?;
        Ok(Self { root, path: path.to_owned() })
    }

    /// The path relative to the workspace, without `.`. An absolute one is taken if it starts with the workspace's own. Where it
    /// leads is only known when it is opened.
    pub(crate) fn relative(&self, path: &str) -> Result<PathBuf, Error> {
        if path.contains('\0') {
            return Err(Error::Refused("a path cannot have a NUL in it".to_owned()));
        }
        let given = Path::new(path);
        let inside =
            if given.is_absolute() { given.strip_prefix(&self.path).map_err(|_| leads_out(path))? } else { given };
        let clean: PathBuf = inside.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect();
        // What git runs and whom it trusts is written there.
        let is_git = |part: std::path::Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
        if clean.components().any(is_git) {
            return Err(Error::Refused(format!("{path} is git's own; use a command of git")));
        }
        Ok(if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean })
    }

    /// A regular file, for reading. Anything else is refused without waiting for it.
    pub(crate) fn open_file(&self, path: &Path) -> Result<(File, Metadata), Error> {
        // Once before, since opening a device may do something; and once after, since it may be another by then.
        let before = self.root.metadata(path).map_err(|error| self.problem(path, &error))?;
        check_regular(path, &before)?;
        let file = open_to_read(&self.root, path).map_err(|error| self.problem(path, &error))?;
        let metadata = file.metadata().map_err(|error| self.problem(path, &error))?;
        check_regular(path, &metadata)?;
        Ok((file, metadata))
    }

    pub(crate) fn open_dir(&self, path: &Path) -> Result<Dir, Error> {
        self.root.open_dir(path).map_err(|error| self.problem(path, &error))
    }

    /// What went wrong, in words that help.
    pub(crate) fn problem(&self, path: &Path, error: &io::Error) -> Error {
        let shown = path.display();
        match error.kind() {
            // What leads out has no number of the system's.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => leads_out(&shown.to_string()),
            io::ErrorKind::NotFound => Error::Failed(match self.meant(path) {
                Some(meant) => format!("no file {shown}; did you mean {}?", meant.display()),
                None => format!("no file {shown}"),
            }),
            io::ErrorKind::NotADirectory => {
                Error::Failed(format!("{shown}: it, or what it is said to be in, is no directory"))
            }
            io::ErrorKind::IsADirectory => Error::Failed(format!("{shown} is a directory")),
            io::ErrorKind::PermissionDenied => Error::Failed(format!("{shown}: permission denied")),
            _ => Error::Failed(format!("{shown}: {error}")),
        }
    }

    /// A neighbour of a file that does not exist which may have been meant.
    fn meant(&self, path: &Path) -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = self.root.open_dir(parent).ok()?;
        let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = directory
            .entries()
            .ok()?
            .take(NAMES_COMPARED_MAX)
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|other| stem(&other.to_lowercase()) == stem(&name) || other.to_lowercase().contains(&name))
            .collect();
        names.sort_unstable_by_key(|other| (other.to_lowercase() != name, other.len(), other.clone()));
        let meant = names.into_iter().next()?;
        let path = if parent == Path::new(".") { PathBuf::from(&meant) } else { parent.join(&meant) };
        let module = path.join("mod.rs");
        Some(if name.ends_with(".rs") && self.root.is_file(&module) { module } else { path })
    }
}

pub(crate) fn leads_out(path: &str) -> Error {
    Error::Refused(format!("{path} leads out of the workspace; use a path relative to it"))
}

/// Opens without waiting: for a FIFO nobody may ever come.
pub(super) fn open_to_read(directory: &Dir, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    directory.open_with(path, &options)
}

pub(super) fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let shown = path.display();
    match () {
        () if metadata.is_file() => Ok(()),
        () if metadata.is_dir() => Err(Error::Failed(format!("{shown} is a directory; fs.list lists it"))),
        () => Err(Error::Refused(format!("{shown} is no regular file"))),
    }
}
