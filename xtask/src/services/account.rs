//! PostgreSQL refuses to run as root: then it runs as another user of the machine.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::environment::find_program;
use crate::run::Run;

/// Who a server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    Ourselves,
    Other { name: String, user_id: u32, group_id: u32 },
}

pub(super) fn is_root() -> Result<bool> {
    Ok(id("-u", None)? == 0)
}

impl Account {
    /// Ourselves, unless we are root.
    pub(super) fn for_servers() -> Result<Self> {
        if !is_root()? {
            return Ok(Self::Ourselves);
        }
        for name in ["postgres", "nobody"] {
            if let Ok(user_id) = id("-u", Some(name)) {
                return Ok(Self::Other { name: name.to_owned(), user_id, group_id: id("-g", Some(name))? });
            }
        }
        bail!("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
    }

    /// A command that runs under the account.
    pub(super) fn command(&self, program: &Path) -> Run {
        let Self::Other { name, .. } = self else { return Run::new(program) };
        if find_program("runuser", &["/usr/sbin".into(), "/sbin".into()]).is_some() {
            return Run::new("runuser").args(["-u", name, "--"]).arg(program);
        }
        // `su` passes what follows to the shell as its arguments: `$0` is the program.
        Run::new("su").args(["-s", "/bin/sh", name, "-c", "exec \"$0\" \"$@\"", "--"]).arg(program)
    }

    /// Makes the directory and gives it to the account.
    pub(super) fn create_directory(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { user_id, group_id, .. } => std::os::unix::fs::chown(path, Some(*user_id), Some(*group_id))
                .with_context(|| format!("cannot give {} away", path.display())),
        }
    }
}

fn id(which: &str, user: Option<&str>) -> Result<u32> {
    let text = Run::new("id").arg(which).args(user).quiet().output()?;
    text.trim().parse().with_context(|| format!("`id` printed {text:?}"))
}
