use std::path::{Path, PathBuf};

use orchestrator_process::{Error, Mode, Spec};

use crate::hiding::without_hidden;
use crate::plan::{Handover, Plan};
use crate::{Confinement, Report};

/// Confines programs by starting another one in their place, which restricts itself and becomes them.
#[derive(Debug, Clone)]
pub struct Launcher {
    program: PathBuf,
    mode: Mode,
    report: Report,
}

impl Launcher {
    /// One that starts `program`, which must call [`confine_and_exec`](crate::confine_and_exec) when its first argument is
    /// [`CONFINE`](crate::CONFINE).
    pub fn new(program: impl Into<PathBuf>, mode: Mode) -> Self {
        Self::with_report(program, mode, Report::of_this_system())
    }

    /// The same for this program itself, as it was when it was started: also if its file has been replaced.
    pub fn of_this_program(mode: Mode) -> Self {
        Self::new(Self::own_program(), mode)
    }

    pub(crate) fn own_program() -> PathBuf {
        let own = Path::new("/proc/self/exe");
        let own = if own.exists() { Some(own.to_owned()) } else { std::env::current_exe().ok() };
        own.unwrap_or_default()
    }

    /// The same for a system that is known to have this, and no more.
    pub fn with_report(program: impl Into<PathBuf>, mode: Mode, report: Report) -> Self {
        Self { program: program.into(), mode, report }
    }

    /// Whether it confines.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// With what.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl Launcher {
    /// The program that starts `spec` within `confinement`. Arguments, environment, directory, input and owner are as `spec`
    /// has them once it runs.
    ///
    /// # Errors
    /// [`Error::Confinement`] if it cannot be confined as it must be; [`Error::NotFound`] and [`Error::Permission`] of the
    /// program itself.
    pub fn confine(&self, spec: Spec, confinement: &Confinement) -> Result<Spec, Error> {
        self.confine_and_hand_over(spec, confinement, None)
    }

    pub(crate) fn confine_and_hand_over(
        &self,
        spec: Spec,
        confinement: &Confinement,
        handover: Option<Handover>,
    ) -> Result<Spec, Error> {
        if self.mode == Mode::Off {
            return Ok(spec);
        }
        let missing = self.report.missing();
        if self.mode == Mode::Required && !missing.is_empty() {
            return Err(Error::missing_though_required(&format!("no {}", missing.join(", and no "))));
        }
        let path = resolved(spec.locate()?);
        let confinement = without_hidden(confinement)?;
        let limits =
            orchestrator_process::Limits { processes_max: confinement.limits.processes, ..spec.limits.clone() };
        let spec = spec.limits(limits);
        if self.report.sandbox_exec.is_some() || cfg!(target_os = "linux") {
            let required = self.mode == Mode::Required;
            return self.start(spec, &path, Plan { confinement, required, handover });
        }
        Ok(spec)
    }

    #[cfg(not(target_os = "macos"))]
    fn start(&self, mut spec: Spec, path: &Path, plan: Plan) -> Result<Spec, Error> {
        let untold =
            |error: serde_json::Error| Error::Confinement { missing: format!("a path that is text ({error})") };
        spec.environment = plan.wrap(&spec.environment).map_err(untold)?;
        let name = std::mem::replace(&mut spec.program, self.program.clone().into_os_string());
        let own = std::mem::take(&mut spec.args);
        Ok(spec.args([crate::CONFINE.into(), path.as_os_str().to_owned(), name]).args(own))
    }

    #[cfg(target_os = "macos")]
    fn start(&self, mut spec: Spec, path: &Path, plan: Plan) -> Result<Spec, Error> {
        let missing = || Error::Confinement { missing: "paths that are text".to_owned() };
        let profile = crate::profile(&plan.confinement).ok_or_else(missing)?;
        let own = std::mem::take(&mut spec.args);
        spec.program = self.report.sandbox_exec.clone().unwrap_or_default().into_os_string();
        Ok(spec.args(["-p".into(), profile.into(), path.as_os_str().to_owned()]).args(own))
    }
}

/// A descriptor of this process means nothing to the launcher.
fn resolved(path: PathBuf) -> PathBuf {
    if !path.starts_with("/proc/self") {
        return path;
    }
    path.canonicalize().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confined(mode: Mode, report: Report) -> Result<Spec, Error> {
        Launcher::with_report("/launcher", mode, report)
            .confine(Spec::new("/bin/sh").args(["-c", "x"]), &Confinement::system())
    }

    #[test]
    fn what_must_be_confined_is_refused_where_that_cannot_be_and_the_reason_names_what_is_missing() {
        let refused = confined(Mode::Required, Report::default()).unwrap_err().to_string();
        assert!(refused.contains("Landlock") && refused.contains("seccomp"), "{refused}");
        assert!(confined(Mode::Preferred, Report::default()).is_ok());
    }

    #[test]
    fn what_is_not_to_be_confined_is_started_as_it_is() {
        let spec = confined(Mode::Off, Report::default()).unwrap();
        assert_eq!((spec.program, spec.args), ("/bin/sh".into(), vec!["-c".into(), "x".into()]));
    }

    #[test]
    fn a_program_that_is_missing_is_told_of_before_anything_starts() {
        let launcher = Launcher::with_report("/launcher", Mode::Preferred, Report::default());
        let refused = launcher.confine(Spec::new("no-such-program"), &Confinement::system());
        assert!(matches!(refused, Err(Error::NotFound { .. })));
    }
}
