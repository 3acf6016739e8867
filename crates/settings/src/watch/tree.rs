use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ENTRIES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 32;

/// Every file with an ending in a directory and below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// `*`: any, or none.
    pub(super) ending: String,
}

/// What there is of it.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) directories: BTreeSet<PathBuf>,
    pub(super) files: BTreeSet<PathBuf>,
    entries: usize,
}

impl Tree {
    pub(super) fn content(&self) -> Content {
        let mut content = Content::default();
        self.look(&self.root, DEPTH_MAX, &mut content);
        content
    }

    fn look(&self, path: &Path, depth: usize, into: &mut Content) {
        let Ok(entries) = fs::read_dir(path) else { return };
        into.directories.insert(path.to_owned());
        for entry in entries.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            into.entries += 1;
            if into.entries > ENTRIES_MAX {
                return;
            }
            let path = entry.path();
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            // Never a device or a pipe: reading one may not end.
            match fs::metadata(&path) {
                Ok(about) if about.is_dir() && !is_link && depth > 1 => self.look(&path, depth - 1, into),
                Ok(about) if about.is_file() && self.fits(&path) => drop(into.files.insert(path)),
                _ => {}
            }
        }
    }

    fn fits(&self, path: &Path) -> bool {
        self.ending == "*" || path.extension().is_some_and(|ending| *ending == *self.ending)
    }
}
