//! Files that only their owner may read. Unix; the one place with permissions in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::random;

/// A secret that is longer than this is not one.
const LENGTH_MAX: u64 = 64 * 1024;

/// What is in the file, or `None` if there is none. Refuses links, anything but a regular file, and files that the
/// group or others may read or write.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let link = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !link.is_file() {
        return Err(refused("it is not a regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if (metadata.dev(), metadata.ino()) != (link.dev(), link.ino()) {
        return Err(refused("it was replaced while it was being opened"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(refused("others may access it; run `chmod 600` on it, and replace it if they did"));
    }
    if metadata.len() > LENGTH_MAX {
        return Err(refused("it is too long to be a secret"));
    }
    let mut content = Vec::new();
    file.take(LENGTH_MAX).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Writes a file for the owner's eyes only, complete or not at all. `false`, and nothing changed, if there is one.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    let temporary = write_beside(path, content)?;
    // Unlike a rename, a link never replaces what another process put there first.
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return removed.map(|()| false),
        outcome => outcome.and(removed)?,
    }
    sync_directory(path).map(|()| true)
}

/// Like [`create`], but replaces what is there.
#[cfg(feature = "sql")]
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, content)?;
    fs::rename(&temporary, path)?;
    sync_directory(path)
}

fn write_beside(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", random::hex(&random::bytes::<8>())));
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        // The first error is the one to report; a leftover is harmless and says what it is.
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| temporary)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}
