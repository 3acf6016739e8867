use std::path::{Path, PathBuf};

use anyhow::ensure;
use orchestrator_confine::Mode;
use orchestrator_process::{Confinement, Network, ResourceLimits};
use serde::{Deserialize, Serialize};

/// How programs are confined that agents run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Sandbox {
    pub(crate) mode: Mode,
    /// Beside what programs need of the system.
    pub(crate) readable: Vec<PathBuf>,
    /// Beside the workspace, and a directory for what is temporary.
    pub(crate) writable: Vec<PathBuf>,
    /// Beside the system's programs.
    pub(crate) executable: Vec<PathBuf>,
    pub(crate) network: Network,
    pub(crate) limits: ResourceLimits,
}

impl Sandbox {
    pub(crate) fn validate(&self, data: &Path) -> anyhow::Result<()> {
        for (key, paths) in
            [("readable", &self.readable), ("writable", &self.writable), ("executable", &self.executable)]
        {
            for path in paths {
                ensure!(path.is_absolute(), "{key}: expected absolute paths, and {} is none", path.display());
            }
        }
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        for path in &self.writable {
            let (real, data) = (
                path.canonicalize().unwrap_or_else(|_| path.clone()),
                data.canonicalize().unwrap_or_else(|_| data.clone()),
            );
            ensure!(!data.starts_with(&real), "writable: the data directory is in {}", path.display());
        }
        self.limits.validate().map_err(|(field, problem)| anyhow::anyhow!("limits.{field}: {problem}"))
    }

    /// What every confined program may reach. The data directory stays out of reach, except for what is named within it.
    pub(crate) fn confinement(&self, data: &Path) -> Confinement {
        let mut confinement = Confinement::system();
        confinement.readable.extend(self.readable.iter().cloned());
        confinement.writable.extend(self.writable.iter().cloned());
        confinement.executable.extend(self.executable.iter().cloned());
        Confinement { hidden: vec![data.to_owned()], network: self.network, limits: self.limits, ..confinement }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_the_data_directory_is_never_writable() {
        let check = |text: &str, key: &str| {
            let sandbox: Sandbox = serde_json::from_str(text).unwrap();
            let told = sandbox.validate(Path::new("/srv/some/data")).unwrap_err().to_string();
            assert!(told.starts_with(key), "{told}");
        };
        assert!(Sandbox::default().validate(Path::new("data")).is_ok());
        check(r#"{ "readable": ["a"] }"#, "readable:");
        check(r#"{ "writable": ["/srv"] }"#, "writable:");
        check(r#"{ "limits": { "openFiles": 1 } }"#, "limits.openFiles:");
    }
}
