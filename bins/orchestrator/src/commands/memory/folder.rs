//! A folder with an export of memories. What the export did not write is never changed, and no link is followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use orchestrator_memory::{INDEX, Kind, MarkdownFile, Tier, index, is_index};

use crate::failure::Failure;

/// A larger file is none of ours.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What tells whose a page is is in these.
const HEAD_BYTES: u64 = 256;

/// What was done in a folder.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) written: usize,
    pub(super) unchanged: usize,
    pub(super) removed: usize,
}

/// The files of an export that are in it, in the order of their paths.
pub(super) fn exported(root: &Path) -> Result<Vec<MarkdownFile>, Failure> {
    let mut files = Vec::new();
    for (tier, kind) in Tier::ALL.into_iter().flat_map(|tier| Kind::ALL.map(|kind| (tier, kind))) {
        let above = root.join(tier.as_str());
        let directory = above.join(kind.as_str());
        if !is_directory(&above) || !is_directory(&directory) {
            continue;
        }
        for entry in fs::read_dir(&directory).map_err(|error| failed("read", &directory, &error))? {
            let entry = entry.map_err(|error| failed("read", &directory, &error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{tier}/{kind}/{name}");
            files.extend(own(&entry.path()).map(|content| MarkdownFile { path, content }));
        }
    }
    files.retain(|file| file.memory().is_some());
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// Makes it hold exactly these files, and the page that names them. Files of earlier exports that are not among them go.
pub(super) fn replace(root: &Path, files: &[MarkdownFile]) -> Result<Done, Failure> {
    if let Some(file) = files.iter().find(|file| file.memory().is_none()) {
        return Err(Failure::failed(format!("{:?} is no place for a memory: nothing was written", file.path)));
    }
    let before = exported(root)?;
    let before: BTreeMap<&str, &str> = before.iter().map(|file| (file.path.as_str(), file.content.as_str())).collect();
    let mut places: BTreeSet<PathBuf> = BTreeSet::new();
    for file in files.iter().filter(|file| !before.contains_key(file.path.as_str())) {
        free(&root.join(&file.path))?;
        // The folder itself may be a link: whoever names it knows.
        let above = Path::new(&file.path).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        places.extend(above.map(|above| root.join(above)));
    }
    places.iter().filter(|place| !is_directory(place)).try_for_each(|place| free(place))?;
    let page = root.join(INDEX);
    if !is_page(&page) {
        free(&page)?;
    }
    let mut done = Done::default();
    for file in files {
        if before.get(file.path.as_str()) == Some(&file.content.as_str()) {
            done.unchanged += 1;
        } else {
            write(&root.join(&file.path), &file.content)?;
            done.written += 1;
        }
    }
    let now: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    done.removed = remove(root, before.into_keys().filter(|path| !now.contains(path)))?;
    write(&page, &index(files))?;
    Ok(done)
}

/// Takes these files of the export away, and tells how many. The page that names them is written anew, if it is ours.
pub(super) fn forget(root: &Path, files: &[MarkdownFile], gone: &BTreeSet<&str>) -> Result<usize, Failure> {
    let removed = remove(root, gone.iter().copied())?;
    let page = root.join(INDEX);
    if is_page(&page) {
        write(&page, &index(files.iter().filter(|file| !gone.contains(file.path.as_str()))))?;
    }
    Ok(removed)
}

fn remove<'a>(root: &Path, paths: impl Iterator<Item = &'a str>) -> Result<usize, Failure> {
    let mut removed = 0;
    for path in paths {
        let path = root.join(path);
        fs::remove_file(&path).map_err(|error| failed("delete", &path, &error))?;
        removed += 1;
        // Folders that are empty now; others stay.
        for above in path.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(above);
        }
    }
    Ok(removed)
}

/// Whole or not at all.
fn write(path: &Path, content: &str) -> Result<(), Failure> {
    let mut new = path.to_owned().into_os_string();
    new.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(new);
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).map_err(|error| failed("make", above, &error))?;
    }
    let written = OpenOptions::new().write(true).create_new(true).open(&new).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        fs::rename(&new, path)
    });
    written.map_err(|error| failed("write", path, &error))
}

/// The text of a file that may be ours: of a real one, and no link.
fn own(path: &Path) -> Option<String> {
    let metadata = fs::symlink_metadata(path).ok()?;
    if metadata.is_file() && metadata.len() <= FILE_BYTES_MAX { fs::read_to_string(path).ok() } else { None }
}

/// Whether it is the page that names the files: however long that is, its beginning tells.
pub(super) fn is_page(path: &Path) -> bool {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.is_ok() && is_index(&String::from_utf8_lossy(&head))
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn free(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(failed("look at", path, &error)),
        Ok(_) => {
            let told = format!("{} is there, and is no file of an export: nothing was written", path.display());
            Err(Failure::usage(told).hint("choose another folder, or move it away"))
        }
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot {what} {}: {error}", path.display()))
}
