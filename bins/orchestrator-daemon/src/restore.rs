//! Puts a backup in place of the database.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use orchestrator_sql::{Database, Options};

use crate::args::Args;
use crate::config;
use crate::files::DataDir;

pub(crate) fn run(args: &Args, backup: &Path, force: bool) -> anyhow::Result<ExitCode> {
    let config = config::load(args)?.value;
    ensure!(config.database.url.is_none(), "restore is for SQLite; a PostgreSQL database is restored with pg_restore");
    let data = DataDir::prepare(&config.daemon.data_dir)?;
    let target = data.database();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(check(backup))?;
    if target.exists() {
        ensure!(force, "{} exists: --force replaces it and keeps it beside", target.display());
        runtime.block_on(unused(&target))?;
        for ending in ["", "-wal", "-shm"] {
            keep_beside(&with_ending(&target, ending))?;
        }
    }
    // Under another name first, so that a daemon never opens half a database.
    let partial = with_ending(&target, ".restoring");
    fs::copy(backup, &partial).with_context(|| format!("cannot copy {}", backup.display()))?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, &target)?;
    println!("restored {} from {}", target.display(), backup.display());
    Ok(ExitCode::SUCCESS)
}

/// A copy of it is opened, because opening writes: migrations that this program does not know stop the restore here.
async fn check(backup: &Path) -> anyhow::Result<()> {
    ensure!(backup.is_file(), "{} is not a file", backup.display());
    let copy = with_ending(backup, ".checking");
    fs::copy(backup, &copy).with_context(|| format!("cannot read {}", backup.display()))?;
    let opened = open_everything(&copy).await;
    for ending in ["", "-wal", "-shm", ".lock"] {
        drop(fs::remove_file(with_ending(&copy, ending)));
    }
    opened.with_context(|| format!("{} is not a backup this version can use", backup.display()))
}

async fn open_everything(file: &Path) -> anyhow::Result<()> {
    let database = connect(file).await?;
    let checked = crate::daemon::open_domains(&database).await;
    database.close().await?;
    checked
}

/// The lock beside the database says whether a daemon has it open.
async fn unused(target: &Path) -> anyhow::Result<()> {
    connect(target).await?.close().await?;
    Ok(())
}

async fn connect(file: &Path) -> anyhow::Result<Database> {
    Ok(Database::connect(&format!("sqlite:{}", file.display()), Options::default()).await?)
}

fn keep_beside(file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        fs::rename(file, with_ending(file, ".before-restore"))?;
    }
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
