use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Environment, Framing, Limits};

/// What to run and within which limits. Plain data; nothing is interpreted by a shell.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Spec {
    /// A path, or a name that is looked up in the `PATH` of `environment` (`/usr/local/bin:/usr/bin:/bin` without one).
    pub program: OsString,
    /// Without the program's own name.
    pub args: Vec<OsString>,
    /// Where it runs, and what a relative `program` path starts from. Default: where this process runs.
    pub working_directory: Option<PathBuf>,
    /// Default: empty.
    pub environment: Environment,
    /// Default: end of file at once.
    pub stdin: Stdin,
    /// How output is cut into pieces. Default: lines.
    pub framing: Framing,
    /// When it is ended.
    pub limits: Limits,
    /// A text that tells this program's processes from those of others, such as a digest of its data directory: what
    /// a crashed run left behind is found by it, see [`end_strays`](crate::end_strays). Every member of the tree can
    /// read it.
    pub owner: Option<String>,
    /// For whom it runs, as names and values: told with what is told of it, and otherwise not looked at. The program does not see it.
    pub about: BTreeMap<&'static str, String>,
    pub(crate) kept: Kept,
}

/// What is dropped once the tree has ended.
#[derive(Clone, Default)]
pub(crate) struct Kept(Vec<Arc<dyn Any + Send + Sync>>);

/// Where a process reads from.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Stdin {
    /// End of file at once.
    #[default]
    Null,
    /// These bytes, then end of file. They are written while output is read; a process that does not read them all
    /// is no error.
    Bytes(Bytes),
    /// What is written to [`Process::take_input`](crate::Process::take_input).
    Piped,
}

impl Spec {
    /// `program` without arguments, environment and input.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            working_directory: None,
            environment: Environment::empty(),
            stdin: Stdin::Null,
            framing: Framing::Lines,
            limits: Limits::default(),
            owner: None,
            about: BTreeMap::new(),
            kept: Kept::default(),
        }
    }

    /// The file that would be executed, as far as can be said before it is.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound), [`Error::Permission`](crate::Error::Permission).
    pub fn locate(&self) -> Result<PathBuf, crate::Error> {
        crate::program::locate(self)
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets where it runs.
    #[must_use]
    pub fn working_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.working_directory = Some(path.into());
        self
    }

    /// Sets all variables.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets where it reads from.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets how output is cut.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sets when it is ended.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets whose process it is.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Adds what is told with it.
    #[must_use]
    pub fn about(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.about.insert(name, value.to_string());
        self
    }

    /// Keeps `thing` until every process of the tree has ended, and before [`wait`](crate::Process::wait) returns drops it: a
    /// directory that goes with the process, for one. Dropping it may block.
    #[must_use]
    pub fn keeping(mut self, thing: impl Any + Send + Sync) -> Self {
        self.kept.0.push(Arc::new(thing));
        self
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({})", self.0.len())
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Piped => f.write_str("Piped"),
        }
    }
}
