use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::compare::{Changed, changes, is_at};
use super::{Copies, Entry, copy_file};
use crate::Error;

/// What a file is called until it takes its place.
const PENDING: &str = ".orchestrator-merge-";

/// Brings the copy's changes into `source`: how many paths were changed there.
///
/// A path is applied only if the source still holds what was copied; one that holds the new contents already is done.
/// All paths are looked at before the first is touched.
pub(crate) fn merge(copies: &Copies, source: &Path) -> Result<usize, Error> {
    let mut pending = Vec::new();
    let mut conflicts = Vec::new();
    for changed in changes(copies)? {
        match judged(copies, source, &changed)? {
            Judgement::Apply => pending.push(changed),
            Judgement::Done => {}
            Judgement::Conflict => conflicts.push(changed.path.to_string_lossy().into_owned()),
        }
    }
    if !conflicts.is_empty() {
        return Err(Error::Conflicts { paths: conflicts });
    }
    let staged = match stage(copies, source, &pending) {
        Ok(staged) => staged,
        Err(error) => {
            pending.iter().for_each(|changed| drop(fs::remove_file(pending_at(source, &changed.path))));
            return Err(error);
        }
    };
    // First what goes: a directory may have taken a file's place.
    for changed in pending.iter().filter(|changed| changed.after.is_none()) {
        let place = source.join(&changed.path);
        fs::remove_file(&place).map_err(Error::io(&place))?;
        remove_empty_parents(copies, source, &changed.path);
    }
    for (from, to) in &staged {
        fs::rename(from, to).map_err(Error::io(to))?;
    }
    Ok(pending.len())
}

enum Judgement {
    Apply,
    Done,
    Conflict,
}

fn judged(copies: &Copies, source: &Path, changed: &Changed) -> Result<Judgement, Error> {
    let place = source.join(&changed.path);
    if !leads_through_directories(source, &changed.path)? {
        return Ok(Judgement::Conflict);
    }
    if is_at(&place, changed.after.as_ref(), &copies.work.join(&changed.path))? {
        return Ok(Judgement::Done);
    }
    match is_at(&place, changed.before.as_ref(), &copies.base.join(&changed.path))? {
        true => Ok(Judgement::Apply),
        false => Ok(Judgement::Conflict),
    }
}

/// Whether nothing on the way to `path` is a link, or a file where a directory is needed.
fn leads_through_directories(source: &Path, path: &Path) -> Result<bool, Error> {
    let mut whole = source.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        whole.push(part);
        match fs::symlink_metadata(&whole) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(Error::io(&whole)(error)),
        }
    }
    Ok(true)
}

/// Puts every new content beside its place, so that what can fail for want of room fails before anything is replaced.
fn stage(copies: &Copies, source: &Path, pending: &[Changed]) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let mut staged = Vec::new();
    for changed in pending {
        let Some(after) = &changed.after else { continue };
        let (from, to) = (pending_at(source, &changed.path), source.join(&changed.path));
        let parent = to.parent().unwrap_or(source);
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        match after {
            Entry::File { .. } => copy_file(&copies.work.join(&changed.path), &from)?,
            Entry::Link { target } => symlink(target, &from).map_err(Error::io(&from))?,
        }
        staged.push((from, to));
    }
    Ok(staged)
}

fn pending_at(source: &Path, path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(PENDING);
    name.push(path.file_name().unwrap_or_default());
    source.join(path).with_file_name(name)
}

/// Directories that the session removed with their last file.
fn remove_empty_parents(copies: &Copies, source: &Path, path: &Path) {
    let removed = |parent: &&Path| !parent.as_os_str().is_empty() && !copies.work.join(parent).exists();
    for parent in path.ancestors().skip(1).take_while(removed) {
        // One that is not empty stays.
        if fs::remove_dir(source.join(parent)).is_err() {
            return;
        }
    }
}
