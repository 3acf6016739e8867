use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::reading::{self, read_again};
use crate::{Config, Error, Remembered, Skill};

/// Digits of a digest in the name of a directory.
const DIGITS: usize = 16;

/// Copies of skills as they were when they were pinned, each in a directory of its own: what scripts are run from, so that what runs is
/// what was looked at.
#[derive(Debug)]
pub(crate) struct Shelf {
    path: PathBuf,
    /// Names for what is not finished.
    counter: AtomicU64,
}

impl Shelf {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, counter: AtomicU64::new(0) }
    }

    /// The copy of a skill, made if it is not there, and made anew if it is another one. Blocks.
    ///
    /// # Errors
    /// [`Error::Shelf`], and [`Error::Changed`] if the skill itself is another one by now.
    pub(crate) fn copy(&self, skill: &Skill, config: &Config) -> Result<PathBuf, Error> {
        let place = self.place(skill.name.as_str(), &skill.digest.to_string());
        if is_whole(&place, skill, config) {
            return Ok(place);
        }
        let failed = |error| Error::Shelf(self.path.display().to_string(), error);
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.path.join(format!(".{number}-{}", std::process::id()));
        let written = self.write(skill, &unfinished).and_then(|()| {
            remove(&place).map_err(failed)?;
            match fs::rename(&unfinished, &place) {
                // Somebody else was faster.
                Err(_) if is_whole(&place, skill, config) => Ok(()),
                moved => moved.map_err(failed),
            }
        });
        // What is finished is not there any more.
        let _ = remove(&unfinished);
        written.map(|()| place)
    }

    fn write(&self, skill: &Skill, to: &Path) -> Result<(), Error> {
        let failed = |error| Error::Shelf(self.path.display().to_string(), error);
        remove(to).map_err(failed)?;
        fs::create_dir_all(to).map_err(failed)?;
        for file in &skill.files {
            let bytes = read_again(&skill.directory, file)?;
            let path = to.join(&file.path);
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            fs::write(&path, bytes).map_err(failed)?;
            protect(&path, file.executable).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes copies of what nobody may use any more. Blocks; what cannot be removed stays.
    pub(crate) fn tidy(&self, remembered: &[Remembered]) {
        let kept: Vec<PathBuf> =
            remembered.iter().map(|known| self.place(known.name.as_str(), &known.pinned.to_string())).collect();
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if !kept.contains(&entry.path())
                && let Err(error) = remove(&entry.path())
            {
                tracing::warn!(%error, path = %entry.path().display(), "a copy of a skill could not be removed");
            }
        }
    }

    fn place(&self, name: &str, digest: &str) -> PathBuf {
        let digits = digest.rsplit(':').next().unwrap_or_default();
        self.path.join(format!("{name}-{}", &digits[..DIGITS.min(digits.len())]))
    }
}

fn is_whole(place: &Path, skill: &Skill, config: &Config) -> bool {
    let there = reading::read(place, config).unwrap_or_default();
    there.len() == skill.files.len() && there.iter().zip(&skill.files).all(|((one, _), file)| one == file)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(unix)]
fn protect(path: &Path, executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(if executable { 0o555 } else { 0o444 }))
}

#[cfg(not(unix))]
fn protect(_: &Path, _: bool) -> io::Result<()> {
    Ok(())
}
