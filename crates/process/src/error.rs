use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why a process was not started, or could not be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Install it, or correct the name or the `PATH` of the [`Spec`](crate::Spec)'s environment.
    /// A script whose interpreter is missing is reported like this too.
    #[error("program {program:?} was not found")]
    NotFound {
        /// As written in the spec.
        program: OsString,
    },
    /// The file is there, but this user may not execute it.
    #[error("program {program:?} may not be executed")]
    Permission {
        /// As written in the spec.
        program: OsString,
    },
    /// Create it, or correct the path.
    #[error("cannot work in {path:?}")]
    WorkingDirectory {
        /// As written in the spec.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A variable's name must not be empty or contain `=`; neither name nor value may contain a NUL byte.
    #[error("environment variable {name:?} cannot be passed on")]
    Environment {
        /// The offending name.
        name: OsString,
    },
    /// Too many processes or open files, or no memory. Retry later.
    #[error("the system has no room for another process")]
    Exhausted(#[source] io::Error),
    /// Provide what is missing, or confine it less: it was not started.
    #[error("the program cannot be confined: {missing}")]
    Confinement {
        /// What this system, or the confinement, lacks.
        missing: String,
    },
    /// The process has ended or is about to.
    #[error("the process has ended")]
    Ended,
    /// Anything else the system refuses.
    #[error("the system refused")]
    Io(#[from] io::Error),
}

impl Error {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Exhausted(_))
    }

    /// For a [`Confine`](crate::Confine): the operator requires what is not there.
    pub fn missing_though_required(missing: &str) -> Self {
        Self::Confinement { missing: format!("sandbox.mode is `required`, and there is {missing}") }
    }

    pub(crate) fn from_spawn(program: OsString, error: io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => Self::NotFound { program },
            Some(Errno::ACCESS | Errno::PERM) => Self::Permission { program },
            Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Self::Exhausted(error),
            _ => Self::Io(error),
        }
    }
}
