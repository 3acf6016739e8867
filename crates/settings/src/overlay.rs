use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::tree::{self, Node};
use crate::{Error, Source, file, format};

/// Values that were set while the program ran, in a JSON file of their own beside the operator's, whose comments and order
/// stay as they are.
///
/// The file is written whole or not at all, for its owner only. `Debug` shows no values: they may be secrets.
#[derive(Clone, PartialEq)]
pub struct Overlay {
    path: PathBuf,
    values: Map<String, Value>,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Overlay {
    /// What is in the file; nothing if it does not exist.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::TooLarge`], and [`Error::Syntax`] if it is not one JSON object.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if !path.exists() {
            return Ok(Self { path, values: Map::new() });
        }
        let text = file::read_text(&path)?;
        // For its messages, which know lines.
        format::json::parse(&text, &path)?;
        let values = serde_json::from_str(&text).map_err(|_| Error::Syntax {
            place: file::place(&path, None),
            message: "expected one object with sections and keys".to_owned(),
        })?;
        Ok(Self { path, values })
    }

    /// Where it is kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is set, by section.
    #[must_use]
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// The value at this path, be it a section.
    #[must_use]
    pub fn get(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.values.get(first)?, |value, name| value.get(name))
    }

    /// Sets the value at this path; what was in the way is replaced.
    pub fn set(&mut self, path: &[String], value: Value) {
        let Some((last, sections)) = path.split_last() else { return };
        let mut place = &mut self.values;
        for name in sections {
            let section = place.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if !section.is_object() {
                *section = Value::Object(Map::new());
            }
            let Value::Object(inner) = section else { unreachable!("it was made one above") };
            place = inner;
        }
        place.insert(last.clone(), value);
    }

    /// Takes out the value at this path, and sections that are empty without it. Whether there was one.
    pub fn remove(&mut self, path: &[String]) -> bool {
        remove(&mut self.values, path)
    }

    /// Writes the file: beside it first, then in its place.
    ///
    /// # Errors
    /// [`Error::Write`]; the file is then as it was.
    pub fn save(&self) -> Result<(), Error> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let text = serde_json::to_string_pretty(&self.values).map_err(|error| failed(io::Error::other(error)))?;
        let fresh = self.path.with_extension("json.new");
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)?;
            File::open(self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
                .sync_all()
        };
        write().map_err(failed)
    }

    /// As one more layer of the configuration.
    pub(crate) fn layer(&self) -> Result<Node, Error> {
        let text = Value::Object(self.values.clone()).to_string();
        let mut layer = format::json::parse(&text, &self.path)?;
        mark(&mut layer);
        Ok(layer)
    }
}

fn remove(values: &mut Map<String, Value>, path: &[String]) -> bool {
    match path {
        [] => false,
        [last] => values.remove(last).is_some(),
        [section, rest @ ..] => {
            let Some(Value::Object(inner)) = values.get_mut(section) else { return false };
            let removed = remove(inner, rest);
            if inner.is_empty() {
                values.remove(section);
            }
            removed
        }
    }
}

/// It is told from the operator's own file.
fn mark(node: &mut Node) {
    if let Source::File { path, position } = &node.source {
        node.source = Source::RunTime { path: path.clone(), position: *position };
    }
    match &mut node.value {
        tree::Value::Table(table) => table.values_mut().for_each(mark),
        tree::Value::List(items) => items.iter_mut().for_each(mark),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn values_are_set_and_taken_out_by_their_path() {
        let mut overlay = Overlay { path: "o.json".into(), values: Map::new() };
        overlay.set(&path("rateLimit.max"), json!(5));
        overlay.set(&path("rateLimit.enabled"), json!(true));
        overlay.set(&path("daemon.maxSessions"), json!(7));
        assert_eq!(overlay.get(&path("rateLimit.max")), Some(&json!(5)));
        assert!(overlay.remove(&path("rateLimit.max")) && !overlay.remove(&path("rateLimit.max")));
        assert!(overlay.remove(&path("daemon.maxSessions")));
        assert_eq!(Value::Object(overlay.values.clone()), json!({"rateLimit": {"enabled": true}}));
        overlay.set(&path("rateLimit.enabled.deeper"), json!(1));
        assert_eq!(overlay.get(&path("rateLimit")), Some(&json!({"enabled": {"deeper": 1}})));
    }

    #[test]
    fn what_was_saved_is_read_again_and_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.set.json");
        let mut overlay = Overlay::read(&file).unwrap();
        assert!(overlay.values().is_empty());
        overlay.set(&path("auth.jwtSecret"), json!("a secret"));
        overlay.save().unwrap();
        assert_eq!(Overlay::read(&file).unwrap(), overlay);
        assert!(!format!("{overlay:?}").contains("a secret"));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&file, "[1]").unwrap();
        assert!(matches!(Overlay::read(&file), Err(Error::Syntax { .. })));
    }
}
