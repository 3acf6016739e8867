use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use crate::Error;

/// The variables a child gets: none, until they are named. `Debug` shows names and never values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// No variables.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Copies the variables named here from this process, those that exist.
    #[must_use]
    pub fn inherit<N: AsRef<OsStr>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.inherit_from(names, std::env::vars_os())
    }

    /// Copies the variables named here from `source`, those that exist: for embedders that keep their own snapshot.
    #[must_use]
    pub fn inherit_from<N: AsRef<OsStr>>(
        mut self,
        names: impl IntoIterator<Item = N>,
        source: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let source: BTreeMap<_, _> = source.into_iter().collect();
        for name in names {
            if let Some(value) = source.get(name.as_ref()) {
                self.0.insert(name.as_ref().to_owned(), value.clone());
            }
        }
        self
    }

    /// Sets one variable, replacing an earlier value. Names are checked when the process is started.
    #[must_use]
    pub fn set(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of `name`.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |(name, value): &(&OsString, &OsString)| {
            let bytes = name.as_bytes();
            bytes.is_empty() || bytes.iter().any(|byte| b"=\0".contains(byte)) || value.as_bytes().contains(&0)
        };
        match self.0.iter().find(wrong) {
            Some((name, _)) => Err(Error::Environment { name: name.clone() }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
