//! What a check found wrong.

use std::fmt;

use anyhow::{Result, bail};

/// One violated rule and the place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A file with line, a folder or a package.
    pub(crate) place: String,
    pub(crate) problem: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Prints the findings; any of them is an error.
pub(crate) fn report(check: &str, mut findings: Vec<Finding>) -> Result<()> {
    findings.sort();
    findings.dedup();
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("{check}: 1 finding"),
        n => bail!("{check}: {n} findings"),
    }
}

/// Prints what deserves a look and stops nothing.
pub(crate) fn warn(warnings: &[Finding]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}
