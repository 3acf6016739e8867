use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::{Copies, Entry};
use crate::{Change, ChangedFile, Difference, Error};

/// A longer file is named in a diff, and not compared line by line.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// After that the comparison of one file is coarse.
const PATIENCE: Duration = Duration::from_millis(500);
const BUFFER_BYTES: usize = 64 << 10;

/// One path that is not as it was.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) path: PathBuf,
    pub(super) before: Option<Entry>,
    pub(super) after: Option<Entry>,
}

impl Changed {
    fn change(&self) -> Change {
        match (&self.before, &self.after) {
            (None, _) => Change::Added,
            (_, None) => Change::Deleted,
            _ => Change::Modified,
        }
    }
}

/// Whether anything in the copy is not as it was.
pub(crate) fn is_changed(copies: &Copies) -> Result<bool, Error> {
    Ok(!changes(copies)?.is_empty())
}

/// What is not as it was, by path.
pub(super) fn changes(copies: &Copies) -> Result<Vec<Changed>, Error> {
    let (base, work) = copies.trees()?;
    let paths: BTreeSet<&PathBuf> = base.keys().chain(work.keys()).collect();
    let mut changes = Vec::new();
    for path in paths {
        let (before, after) = (base.get(path), work.get(path));
        let same = before == after && same_at(&copies.base.join(path), &copies.work.join(path), after)?;
        if !same {
            changes.push(Changed { path: path.clone(), before: before.cloned(), after: after.cloned() });
        }
    }
    Ok(changes)
}

/// Whether two paths that look alike hold the same; links were compared already.
fn same_at(one: &Path, other: &Path, entry: Option<&Entry>) -> Result<bool, Error> {
    match entry {
        Some(Entry::File { .. }) => same_contents(one, other),
        _ => Ok(true),
    }
}

fn same_contents(one: &Path, other: &Path) -> Result<bool, Error> {
    let mut left = File::open(one).map_err(Error::io(one))?;
    let mut right = File::open(other).map_err(Error::io(other))?;
    let (mut a, mut b) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let read = left.read(&mut a).map_err(Error::io(one))?;
        if read == 0 {
            return Ok(right.read(&mut b).map_err(Error::io(other))? == 0);
        }
        match right.read_exact(&mut b[..read]) {
            Ok(()) if a[..read] == b[..read] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(Error::io(other)(error)),
        }
    }
}

/// What is at a path now, links not followed: a file that is executable or not, a link, or nothing. Anything else is a
/// file that equals none.
pub(super) fn entry_at(path: &Path) -> Result<Option<Entry>, Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io(path)(error)),
    };
    if metadata.is_symlink() {
        return Ok(Some(Entry::Link { target: fs::read_link(path).map_err(Error::io(path))? }));
    }
    let is_executable = metadata.permissions().mode() & 0o111 != 0;
    let length = if metadata.is_file() { metadata.len() } else { u64::MAX };
    Ok(Some(Entry::File { length, is_executable }))
}

/// Whether `place` holds what `entry` describes and `original` contains.
pub(super) fn is_at(place: &Path, entry: Option<&Entry>, original: &Path) -> Result<bool, Error> {
    let there = entry_at(place)?;
    Ok(there.as_ref() == entry && same_at(place, original, entry)?)
}

/// What was changed in the copy, and what of that has changed in `source` too.
pub(crate) fn difference(copies: &Copies, source: Option<&Path>, diff_bytes_max: u64) -> Result<Difference, Error> {
    let mut difference = Difference::default();
    for changed in changes(copies)? {
        let text = changed.path.to_string_lossy().into_owned();
        if let Some(source) = source
            && !is_at(&source.join(&changed.path), changed.before.as_ref(), &copies.base.join(&changed.path))?
        {
            difference.also_changed.push(text.clone());
        }
        let old = side(&copies.base, &changed.path, changed.before.as_ref())?;
        let new = side(&copies.work, &changed.path, changed.after.as_ref())?;
        let (patch, lines) = patch(&text, &changed, old.as_deref(), new.as_deref());
        if difference.diff.len() as u64 + patch.len() as u64 > diff_bytes_max {
            difference.truncated = true;
        } else if !difference.truncated {
            difference.diff.push_str(&patch);
        }
        let (added, removed) = lines.unzip();
        difference.files.push(ChangedFile { path: text, change: changed.change(), added, removed });
    }
    Ok(difference)
}

/// The text of one side: of a link where it leads, of nothing nothing; `None` if it is not text or too long.
fn side(root: &Path, path: &Path, entry: Option<&Entry>) -> Result<Option<String>, Error> {
    match entry {
        None => Ok(Some(String::new())),
        Some(Entry::Link { target }) => Ok(Some(target.to_string_lossy().into_owned())),
        Some(Entry::File { length, .. }) if *length > TEXT_BYTES_MAX => Ok(None),
        Some(Entry::File { .. }) => {
            let whole = root.join(path);
            let bytes = fs::read(&whole).map_err(Error::io(&whole))?;
            Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
        }
    }
}

/// The part of a diff about one path, and the lines that came and went.
fn patch(path: &str, changed: &Changed, old: Option<&str>, new: Option<&str>) -> (String, Option<(u64, u64)>) {
    let mut patch = format!("diff --git a/{path} b/{path}\n");
    // A write to a string cannot fail.
    let _ = match (mode(changed.before.as_ref()), mode(changed.after.as_ref())) {
        (None, Some(new)) => writeln!(patch, "new file mode {new}"),
        (Some(old), None) => writeln!(patch, "deleted file mode {old}"),
        (Some(old), Some(new)) if old != new => writeln!(patch, "old mode {old}\nnew mode {new}"),
        _ => Ok(()),
    };
    let name = |side: &str, entry: Option<&Entry>| match entry {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let (before, after) = (name("a", changed.before.as_ref()), name("b", changed.after.as_ref()));
    let (Some(old), Some(new)) = (old, new) else {
        patch.push_str(&format!("Binary files {before} and {after} differ\n"));
        return (patch, None);
    };
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count() as u64;
    let lines = (count(ChangeTag::Insert), count(ChangeTag::Delete));
    patch.push_str(&diff.unified_diff().context_radius(3).header(&before, &after).to_string());
    (patch, Some(lines))
}

fn mode(entry: Option<&Entry>) -> Option<&'static str> {
    Some(match entry? {
        Entry::Link { .. } => "120000",
        Entry::File { is_executable: true, .. } => "100755",
        Entry::File { .. } => "100644",
    })
}
