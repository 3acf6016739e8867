use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::{Error, Source, environment_file, file};

/// A snapshot of environment variables, perhaps with those of a `.env` file beneath them.
///
/// Everything that wants a variable is handed a snapshot, so tests never touch the process environment.
/// A variable that is set to nothing counts as set. `Debug` shows names, never values.
#[derive(Clone, Default)]
pub struct Environment {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    /// `None`: set, but not to valid UTF-8.
    pub(crate) text: Option<String>,
    pub(crate) source: Source,
}

impl Environment {
    /// The variables of this process as they are now. Variables whose *name* is not UTF-8 are left out.
    #[must_use]
    pub fn from_process() -> Self {
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let entries = named.map(|(name, value)| {
            let entry = Entry { text: value.into_string().ok(), source: Source::Environment(name.clone()) };
            (name, entry)
        });
        Self { entries: entries.collect() }
    }

    /// Puts the variables of a `.env` file beneath the ones already here, which win.
    ///
    /// Lines are `NAME=value`, with an optional `export`, `'single'` (taken as it is) or `"double"` quotes
    /// (`\n \r \t \" \\ \$` are understood) and `#` comments. Nothing is interpolated.
    ///
    /// # Errors
    /// If the file cannot be read or a line is none of that; the message names the line, never the value.
    pub fn with_file(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        for (name, text, line) in environment_file::parse(path, &file::read_text(path)?)? {
            let source = Source::EnvironmentFile { path: path.to_owned(), line, name: name.clone() };
            self.entries.entry(name).or_insert(Entry { text: Some(text), source });
        }
        Ok(self)
    }

    /// Like [`Environment::with_file`], but a file that does not exist is fine. For the default `./.env`.
    ///
    /// # Errors
    /// As [`Environment::with_file`], except for a missing file.
    pub fn with_file_if_present(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        if path.as_ref().exists() { self.with_file(path) } else { Ok(self) }
    }

    /// The value of a variable; `None` if it is not set or not UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name)?.text.as_deref()
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(crate) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let from = self.entries.range(prefix.to_owned()..);
        from.map_while(move |(name, entry)| name.starts_with(prefix).then_some((name.as_str(), entry)))
    }
}

/// Variables given by hand: what tests and embedders use.
impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let entries = variables.into_iter().map(|(name, value)| {
            let name = name.into();
            (name.clone(), Entry { text: Some(value.into()), source: Source::Environment(name) })
        });
        Self { entries: entries.collect() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
