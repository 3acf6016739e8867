//! Copies of directories: made, compared, and brought back file by file. Everything here blocks.

mod apply;
mod compare;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::{Config, Error};

pub(crate) use apply::merge;
pub(crate) use compare::{difference, is_changed};
pub(crate) use tree::bytes;
use tree::{Entry, Found, walk};

/// Every file by its path in the tree.
type Files = BTreeMap<PathBuf, Entry>;

/// Permissions that a copy keeps: no set-user-id and the like.
const MODE_KEPT: u32 = 0o777;

/// What is copied, and how much at most.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) files_max: u64,
    pub(crate) bytes_max: u64,
    /// Names that are left out at any depth.
    pub(crate) excludes: Vec<String>,
    /// Directories that are left out wherever they are, such as the one where copies go.
    pub(crate) keep_out: Vec<PathBuf>,
}

/// Where a copy is, and what it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Copies {
    /// What the session works on.
    pub(crate) work: PathBuf,
    /// The same files as they were at the beginning.
    pub(crate) base: PathBuf,
    pub(crate) rules: Rules,
}

impl Rules {
    pub(crate) fn new(config: &Config, keep_out: &[PathBuf]) -> Self {
        let git = std::iter::once(".git".to_owned());
        Self {
            files_max: config.copy_files_max,
            bytes_max: config.copy_bytes_max,
            excludes: git.chain(config.copy_excludes.iter().cloned()).collect(),
            keep_out: keep_out.to_vec(),
        }
    }
}

impl Copies {
    /// Makes both directories anew, from `source` or empty; tells what was left out.
    ///
    /// Blocks are shared with the source where the file system can (Btrfs, XFS, APFS): the standard library's copy asks
    /// for that.
    pub(crate) fn create(&self, source: Option<&Path>) -> Result<Vec<String>, Error> {
        self.remove()?;
        for directory in [&self.base, &self.work] {
            fs::create_dir_all(directory).map_err(Error::io(directory))?;
        }
        let Some(source) = source else { return Ok(Vec::new()) };
        let found = walk(source, &self.rules)?;
        copy(source, &self.base, &found)?;
        // From the first copy and not from the source, which may change meanwhile: the two must be the same.
        copy(&self.base, &self.work, &found)?;
        Ok(found.notes)
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        for directory in [&self.work, &self.base] {
            match fs::remove_dir_all(directory) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(directory)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Both, as they are now.
    fn trees(&self) -> Result<(Files, Files), Error> {
        Ok((walk(&self.base, &self.rules)?.entries, walk(&self.work, &self.rules)?.entries))
    }
}

fn copy(from: &Path, to: &Path, found: &Found) -> Result<(), Error> {
    for directory in &found.directories {
        let made = to.join(directory);
        fs::create_dir_all(&made).map_err(Error::io(&made))?;
    }
    for (path, entry) in &found.entries {
        let (original, copied) = (from.join(path), to.join(path));
        match entry {
            Entry::File { .. } => copy_file(&original, &copied)?,
            Entry::Link { target } => symlink(target, &copied).map_err(Error::io(&copied))?,
        }
    }
    Ok(())
}

/// One file with its permissions. A link that has taken the file's place is not followed.
fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    let metadata = fs::symlink_metadata(from).map_err(Error::io(from))?;
    if !metadata.is_file() {
        return Err(Error::io(from)(std::io::Error::other("it is not a file any more")));
    }
    fs::copy(from, to).map_err(Error::io(to))?;
    let mode = metadata.permissions().mode();
    if mode & !MODE_KEPT & 0o7777 != 0 {
        fs::set_permissions(to, fs::Permissions::from_mode(mode & MODE_KEPT)).map_err(Error::io(to))?;
    }
    Ok(())
}
