//! Programs that try to get out.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use orchestrator_confine::{Confinement, Launcher, Report};
use orchestrator_process::{Environment, Exit, Limits, Mode, Output, Process, Spec};

/// Far above what anything here needs.
const TOO_LONG: Duration = Duration::from_secs(60);

pub(crate) fn launcher(mode: Mode) -> Launcher {
    Launcher::new(env!("CARGO_BIN_EXE_confine-launcher"), mode)
}

/// Tells, where everybody sees it, that this system cannot show what the test is about.
pub(crate) fn can_confine() -> bool {
    let missing = Report::of_this_system().missing();
    if !missing.is_empty() {
        eprintln!("SKIPPED: this system has no {}", missing.join(", no "));
    }
    missing.is_empty()
}

/// A place for a program, and beside it something that is none of its business.
pub(crate) struct Place {
    root: tempfile::TempDir,
}

pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) printed: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("work")).unwrap();
        std::fs::create_dir(root.path().join("data")).unwrap();
        std::fs::write(root.path().join("data/secret"), "s3cret").unwrap();
        Self { root }
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap().join("work")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap().join("data")
    }

    pub(crate) fn confinement(&self) -> Confinement {
        let mut confinement = Confinement { writable: vec![self.work()], ..Confinement::system() };
        confinement.executable.push(self.work());
        confinement
    }

    pub(crate) fn shell(&self, script: &str) -> Spec {
        self.spec("/bin/sh").args(["-c", script])
    }

    pub(crate) fn spec(&self, program: impl AsRef<Path>) -> Spec {
        let environment = Environment::empty().set("PATH", "/usr/bin:/bin").set("DATA", self.data());
        let limits = Limits { grace: Duration::from_millis(100), wall_time: Some(TOO_LONG), ..Limits::default() };
        Spec::new(program.as_ref()).environment(environment).working_directory(self.work()).limits(limits)
    }

    /// Runs it in the place, confined as usual.
    pub(crate) async fn confined(&self, script: &str) -> Ran {
        self.within(script, &self.confinement()).await
    }

    pub(crate) async fn within(&self, script: &str, confinement: &Confinement) -> Ran {
        run(launcher(Mode::Required).confine(self.shell(script), confinement).unwrap()).await
    }

    /// Runs it in the place as it is.
    pub(crate) async fn free(&self, script: &str) -> Ran {
        run(launcher(Mode::Off).confine(self.shell(script), &self.confinement()).unwrap()).await
    }
}

pub(crate) async fn run(spec: Spec) -> Ran {
    let mut process = Process::spawn(spec).unwrap();
    let mut printed = String::new();
    while let Some(output) = process.next().await {
        if let Output::Line { text, .. } = output {
            printed.push_str(&text);
            printed.push('\n');
        }
    }
    Ran { exit: process.wait().await, printed }
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(&self, printed: &str) {
        assert!(self.exit.is_success(), "{:?}: {}", self.exit, self.printed);
        assert_eq!(self.printed.trim_end(), printed);
    }

    #[track_caller]
    pub(crate) fn was_refused(&self, why: &str) {
        assert!(!self.exit.is_success(), "it worked: {}", self.printed);
        assert!(self.printed.contains(why), "{:?}: {}", self.exit, self.printed);
    }
}
