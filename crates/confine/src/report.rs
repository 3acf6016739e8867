use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// What this system confines programs with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// The version of Landlock that the kernel speaks, as far as it is used here; `None` without Landlock.
    pub landlock: Option<u32>,
    /// Whether system calls can be refused.
    pub seccomp: bool,
    /// Where `sandbox-exec` is, on macOS.
    pub sandbox_exec: Option<PathBuf>,
}

impl Report {
    /// Asks the system.
    #[cfg(target_os = "linux")]
    pub fn of_this_system() -> Self {
        Self { landlock: crate::linux::landlock_version(), seccomp: crate::linux::has_seccomp(), sandbox_exec: None }
    }

    /// Asks the system.
    #[cfg(not(target_os = "linux"))]
    pub fn of_this_system() -> Self {
        let path = PathBuf::from("/usr/bin/sandbox-exec");
        Self { sandbox_exec: Some(path).filter(|path| cfg!(target_os = "macos") && path.is_file()), ..Self::default() }
    }

    /// What is missing so that a program cannot be confined as it must be where that is required. Empty if nothing is.
    pub fn missing(&self) -> Vec<&'static str> {
        if self.sandbox_exec.is_some() {
            return Vec::new();
        }
        let mut missing = Vec::new();
        if self.landlock.is_none() {
            missing.push("Landlock (Linux 5.13 or later, with `landlock` in its `lsm=` list)");
        }
        if !self.seccomp {
            missing.push("seccomp (a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64)");
        }
        missing
    }

    /// What programs can do though they are confined, because the kernel is too old to stop them.
    pub fn weaknesses(&self) -> Vec<&'static str> {
        let Some(version) = self.landlock else { return Vec::new() };
        let all = [
            (3, "files that may only be read can be cut short (before Linux 6.2)"),
            (5, "devices of readable directories can be controlled (before Linux 6.10)"),
            (6, "processes of the same user can be sent signals, the daemon included (before Linux 6.12)"),
        ];
        all.into_iter().filter(|(since, _)| version < *since).map(|(_, weakness)| weakness).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.sandbox_exec {
            return write!(f, "{}", path.display());
        }
        match self.landlock {
            Some(version) => write!(f, "Landlock {version}")?,
            None => write!(f, "no Landlock")?,
        }
        write!(f, ", {}", if self.seccomp { "seccomp" } else { "no seccomp" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let check = |landlock, seccomp, missing: &[&str]| {
            let report = Report { landlock, seccomp, sandbox_exec: None };
            let words: Vec<&str> = report.missing().iter().filter_map(|text| text.split(' ').next()).collect();
            assert_eq!(words, missing);
        };
        check(Some(1), true, &[]);
        check(None, true, &["Landlock"]);
        check(None, false, &["Landlock", "seccomp"]);
    }

    #[test]
    fn an_old_kernel_stops_less() {
        let weaknesses = |version| Report { landlock: Some(version), ..Report::default() }.weaknesses().len();
        assert_eq!([1, 3, 5, 6, 7].map(weaknesses), [3, 2, 1, 0, 0]);
    }
}
