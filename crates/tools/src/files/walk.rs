use std::ffi::OsString;
use std::io;

use cap_std::fs::{Dir, FileType};

/// How many entries of one directory are looked at.
const ENTRIES_MAX: usize = 100_000;
/// How deep directories are entered.
pub(super) const DEPTH_MAX: usize = 64;

/// Something in a directory.
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: FileType,
}

/// What is in a directory.
pub(super) struct Entries {
    /// In the order of their names, without `.git`.
    pub(super) found: Vec<Entry>,
    /// There are more than are looked at.
    pub(super) is_cut: bool,
}

/// What is in this directory; links are not followed.
pub(super) fn entries(directory: &Dir) -> io::Result<Entries> {
    let mut found = Vec::new();
    let mut all = directory.entries()?;
    while found.len() < ENTRIES_MAX
        && let Some(entry) = all.next()
    {
        let entry = entry?;
        let name = entry.file_name();
        // One that has gone in the meantime has no kind.
        if let (true, Ok(kind)) = (name != ".git", entry.file_type()) {
            found.push(Entry { name, kind });
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Entries { found, is_cut: all.next().is_some() })
}
