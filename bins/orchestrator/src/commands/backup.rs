//! `orchestrator backup`

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{now, text};

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// What to call the copy; the daemon writes `backups/NAME.db` in its data directory [default: the time]
    name: Option<String>,
}

pub(crate) async fn run(daemon: &Daemon, args: BackupArgs) -> Result<(), Failure> {
    // A time such as 2026-01-31T12:00:00.000Z, without what does not belong into the name of a file.
    let name = args.name.unwrap_or_else(|| now().to_string().replace(':', "-"));
    let copy = daemon.call("daemon.backup", Params::new().with("name", name)).await?;
    let path = text(&copy, "path").to_owned();
    let said = format!(
        "{path} ({} bytes, on the daemon's machine)\nput it back with: orchestrator-daemon restore {path}",
        copy["bytes"]
    );
    daemon.out.show(&Answer { ids: vec![path], ..Answer::told(copy, said) })
}
