use std::io::Read as _;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};

use crate::{Config, Error, SkillFile};

/// What version control and systems keep for themselves; no part of a skill, and so never given out.
const PASSED_OVER: [&str; 3] = [".git", ".DS_Store", "__pycache__"];
/// The longest path of a file within its skill.
const PATH_BYTES_MAX: usize = 255;

/// The files of a skill, in the order of their paths, each with its bytes.
pub(crate) type Contents = Vec<(SkillFile, Vec<u8>)>;

/// Reads everything in a directory.
///
/// # Errors
/// What is no part of a skill: a link, a device, more than the bounds allow.
pub(crate) fn read(directory: &Path, config: &Config) -> Result<Contents, String> {
    let root =
        Dir::open_ambient_dir(directory, ambient_authority()).map_err(|error| format!("cannot be read: {error}"))?;
    let mut walk = Walk { config, contents: Vec::new(), bytes: 0 };
    walk.directory(&root, "", 1)?;
    walk.contents.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    Ok(walk.contents)
}

/// Reads one file again, which has to be what it was.
///
/// # Errors
/// [`Error::Changed`] if it is not.
pub(crate) fn read_again(directory: &Path, file: &SkillFile) -> Result<Vec<u8>, Error> {
    let changed = || Error::Changed(file.path.clone());
    let root = Dir::open_ambient_dir(directory, ambient_authority()).map_err(|_| changed())?;
    let bytes = open(&root, &file.path, file.bytes).map_err(|_| changed())?.0;
    if sha256(&bytes) == file.sha256 { Ok(bytes) } else { Err(changed()) }
}

struct Walk<'a> {
    config: &'a Config,
    contents: Contents,
    bytes: u64,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Dir, within: &str, depth: usize) -> Result<(), String> {
        if depth > self.config.depth_max {
            return Err(format!("skills.depthMax: deeper than {} directories", self.config.depth_max));
        }
        let unreadable = |name: &str, error: std::io::Error| format!("{}: cannot be read: {error}", printable(name));
        let entries = directory.entries().map_err(|error| unreadable(within, error))?;
        for (count, entry) in entries.enumerate() {
            let entry = entry.map_err(|error| unreadable(within, error))?;
            if count > self.config.files_max * 2 {
                return Err(self.too_many());
            }
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| format!("{}: a name that is no text", printable(within)))?;
            if PASSED_OVER.contains(&name) {
                continue;
            }
            let path = if within.is_empty() { name.to_owned() } else { format!("{within}/{name}") };
            if path.len() > PATH_BYTES_MAX || path.chars().any(|c| c.is_control() || c == '\\') {
                return Err(format!(
                    "{}: a path of more than {PATH_BYTES_MAX} bytes, or with odd characters",
                    printable(&path)
                ));
            }
            let kind = entry.file_type().map_err(|error| unreadable(&path, error))?;
            if kind.is_dir() {
                let inner = directory.open_dir(name).map_err(|error| unreadable(&path, error))?;
                self.directory(&inner, &path, depth + 1)?;
            } else if kind.is_file() {
                self.file(directory, name, path)?;
            } else {
                return Err(format!(
                    "{path}: neither a file nor a directory: links and devices are no part of a skill"
                ));
            }
        }
        Ok(())
    }

    fn file(&mut self, directory: &Dir, name: &str, path: String) -> Result<(), String> {
        if self.contents.len() == self.config.files_max {
            return Err(self.too_many());
        }
        let (bytes, executable) =
            open(directory, name, self.config.file_bytes_max).map_err(|error| format!("{path}: {error}"))?;
        self.bytes += bytes.len() as u64;
        if self.bytes > self.config.skill_bytes_max {
            return Err(format!("skills.skillBytesMax: more than {} bytes in all", self.config.skill_bytes_max));
        }
        let file = SkillFile { path, bytes: bytes.len() as u64, sha256: sha256(&bytes), executable };
        self.contents.push((file, bytes));
        Ok(())
    }

    fn too_many(&self) -> String {
        format!("skills.filesMax: more than {} files", self.config.files_max)
    }
}

/// The bytes of a regular file, and whether it may be executed.
fn open(directory: &Dir, path: &str, bytes_max: u64) -> Result<(Vec<u8>, bool), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = directory.open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err("is no file".to_owned());
    }
    let mut bytes = Vec::new();
    // Bounded while reading: a file may grow.
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("larger than {bytes_max} bytes (skills.fileBytesMax)"));
    }
    Ok((bytes, is_executable(&about)))
}

#[cfg(unix)]
fn is_executable(about: &cap_std::fs::Metadata) -> bool {
    use cap_std::fs::MetadataExt as _;
    about.mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &cap_std::fs::Metadata) -> bool {
    false
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names are others' words: what does something to a terminal is taken out.
pub(super) fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).take(300).collect()
}
