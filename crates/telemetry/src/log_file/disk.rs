//! What a log file needs of the file system.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

/// Read and written by its owner only: what people say to agents is in logs too.
const MODE: u32 = 0o600;

/// A file that lines are appended to.
pub(crate) struct Opened<F> {
    pub(super) file: F,
    pub(super) bytes: u64,
    /// When it was created.
    pub(super) begun: SystemTime,
    pub(super) identity: (u64, u64),
    /// Its last line has no end.
    pub(super) is_torn: bool,
}

/// The file system, or one in a test that is full at times.
pub(crate) trait Disk {
    type File: Write + Send;

    fn open(&self, path: &Path) -> io::Result<Opened<Self::File>>;

    /// Which file is there: its device and number.
    fn identity(&self, path: &Path) -> Option<(u64, u64)>;

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    fn now(&self) -> SystemTime;
}

/// The file system.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    type File = File;

    fn open(&self, path: &Path) -> io::Result<Opened<File>> {
        // Looked at first, because opening a pipe would wait for somebody who reads it.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
        let found = file.metadata()?;
        if found.permissions().mode() & 0o777 != MODE {
            file.set_permissions(Permissions::from_mode(MODE))?;
        }
        let is_torn = found.len() > 0 && !ends_a_line(&mut file)?;
        // Not every file system knows when a file was created.
        let begun = found.created().or_else(|_| found.modified())?;
        Ok(Opened { file, bytes: found.len(), begun, identity: (found.dev(), found.ino()), is_torn })
    }

    fn identity(&self, path: &Path) -> Option<(u64, u64)> {
        fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[expect(clippy::disallowed_methods, reason = "compared with the file system's own times")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
