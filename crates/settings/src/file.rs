use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::tree::{Node, Value};
use crate::{Error, Source, format};

/// Enough for any configuration, and little enough to read at once.
const BYTES_MAX: u64 = 1024 * 1024;

const EXTENSIONS: [&str; 4] = ["toml", "yaml", "yml", "json"];

/// The one file in `directory` called `stem` with a known extension, if there is one.
pub(crate) fn discover(directory: &Path, stem: &str) -> Result<Option<PathBuf>, Error> {
    let mut files: Vec<PathBuf> = candidates(directory, stem).filter(|path| path.exists()).collect();
    if files.len() > 1 {
        return Err(Error::Ambiguous { files });
    }
    Ok(files.pop())
}

/// Where [`discover`] looks.
pub(crate) fn candidates(directory: &Path, stem: &str) -> impl Iterator<Item = PathBuf> {
    EXTENSIONS.iter().map(move |extension| directory.join(format!("{stem}.{extension}")))
}

pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut text = String::new();
    // Bounded while reading, not by its length before: a FIFO or /dev/zero has none.
    File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text)).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(Error::TooLarge { path: path.to_owned(), bytes_max: BYTES_MAX });
    }
    Ok(text)
}

/// A configuration file as a tree. An empty file is an empty table.
pub(crate) fn read(path: &Path) -> Result<Node, Error> {
    let parse = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => format::toml::parse,
        Some("yaml" | "yml") => format::yaml::parse,
        Some("json") => format::json::parse,
        _ => return Err(Error::Format { path: path.to_owned() }),
    };
    let text = read_text(path)?;
    // Editors on Windows leave a byte order mark.
    let mut node = parse(text.strip_prefix('\u{feff}').unwrap_or(&text), path)?;
    match &node.value {
        Value::Null => node.value = Value::Table(Default::default()),
        Value::Table(table) => {
            if let Some((name, node)) = table.iter().find(|(name, _)| !is_plain(name)) {
                let message = format!("`{name}` cannot be the name of a section");
                return Err(Error::Syntax { place: node.source.clone(), message });
            }
        }
        _ => {
            let message = "expected sections and keys at the top of the file".to_owned();
            return Err(Error::Syntax { place: node.source, message });
        }
    }
    Ok(node)
}

/// Names at the top must be plain, because merging reads `a.b` and `a[0]` there as paths.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
}

/// The trimmed content of a secret's own file.
pub(crate) fn read_secret(path: &Path) -> Result<String, Error> {
    let text = read_text(path)?.trim().to_owned();
    if text.is_empty() {
        let source = io::Error::new(io::ErrorKind::InvalidData, "the file holds no secret, it is empty");
        return Err(Error::Read { path: path.to_owned(), source });
    }
    Ok(text)
}

pub(crate) fn place(path: &Path, position: Option<crate::Position>) -> Source {
    Source::File { path: path.to_owned(), position }
}
