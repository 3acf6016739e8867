//! The database: does it open, is it whole, which version wrote it, how much of it is air.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orchestrator_sql::{Database, Error, Inspection, Options};
use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use secrecy::ExposeSecret as _;

use super::finding::size;
use super::{Finding, skew};
use crate::config::Config;
use crate::files::DataDir;

const PATIENCE: Duration = Duration::from_secs(5);
/// Reading all of a larger file takes too long for a question; a copy can be checked at leisure.
const CHECKED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Less is not worth a word.
const FREE_MAX: u64 = 64 * 1024 * 1024;

const RESTORE: &str =
    "keep a copy of the files, then put a backup in place: orchestrator-daemon restore BACKUP --force";

/// What can be told while no daemon has it open.
pub(super) async fn offline(config: &Config, data: &DataDir, is_running: bool) -> Vec<Finding> {
    let file = data.database();
    let url = match &config.database.url {
        Some(url) => url.expose_secret().to_owned(),
        None if !file.exists() => {
            return vec![Finding::ok(
                "store",
                format!("{} is not there yet: the first start makes it", file.display()),
            )];
        }
        None => format!("sqlite:{}", file.display()),
    };
    let options = Options { patience: PATIENCE, readers_max: 1, ..Options::default() };
    match Database::connect(&url, options).await {
        Ok(database) => {
            let findings = of(&database).await;
            // Nothing was written, so nothing can be lost.
            drop(database.close().await);
            findings
        }
        Err(Error::InUse { .. }) if is_running => {
            vec![Finding::ok("store", "the running daemon has it open, and is asked about it")]
        }
        Err(error @ Error::InUse { .. }) => {
            let remedy = "another process has it open and no daemon answers: find it with fuser or lsof, and end it";
            vec![Finding::failure("store", error.to_string(), remedy)]
        }
        Err(error) => vec![unopened(config, &error)],
    }
}

fn unopened(config: &Config, error: &Error) -> Finding {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    let remedy = match config.database.url {
        Some(_) => "see that the server runs, that DATABASE_URL names it, and that its user may use the database",
        None => "see who owns the file; if it is damaged: orchestrator-daemon restore BACKUP --force",
    };
    Finding::failure("store", format!("it cannot be opened: {error}{cause}"), remedy)
}

/// What can be told of an open one.
pub(crate) async fn of(database: &Database) -> Vec<Finding> {
    let inspection = match database.inspect().await {
        Ok(inspection) => inspection,
        Err(error) => return vec![broken(&error)],
    };
    let mut findings = vec![Finding::ok("store", format!("{}, {}", inspection.version, size(inspection.size_bytes)))];
    findings.extend(whole(database, &inspection).await);
    findings.push(schema(&inspection).await);
    findings.extend(air(&inspection));
    if let Some(now) = inspection.now_ms {
        findings.push(skew("clock of the database", Timestamp(now), SystemClock.now()));
    }
    findings
}

fn broken(error: &Error) -> Finding {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Finding::failure("store", format!("it cannot be read: {error}{cause}"), RESTORE)
}

/// A server looks after that by itself.
async fn whole(database: &Database, inspection: &Inspection) -> Option<Finding> {
    inspection.free_bytes?;
    if inspection.size_bytes > CHECKED_BYTES_MAX {
        let found = format!("not read through: it has more than {}", size(CHECKED_BYTES_MAX));
        return Some(Finding::ok("integrity", format!("{found}; check a backup with `pragma integrity_check`")));
    }
    Some(match database.damage().await {
        Ok(damage) if damage.is_empty() => Finding::ok("integrity", "every page is in order"),
        Ok(damage) => Finding::failure("integrity", format!("the file is damaged: {}", damage.join("; ")), RESTORE),
        Err(error) => Finding { check: "integrity", ..broken(&error) },
    })
}

async fn schema(inspection: &Inspection) -> Finding {
    let known = match known().await {
        Ok(known) => known,
        Err(error) => {
            return Finding::failure("schema", format!("cannot tell what is known: {error:#}"), "report this");
        }
    };
    let (mut missing, mut newer) = (0, Vec::new());
    for (domain, versions) in &known {
        let there = inspection.histories.get(domain);
        missing += versions.iter().filter(|version| there.is_none_or(|there| !there.contains(*version))).count();
        newer.extend(there.into_iter().flatten().filter(|version| !versions.contains(*version)));
    }
    if !newer.is_empty() {
        let found = format!("it was written by a newer version, which made {newer:?}");
        return Finding::failure("schema", found, "run that version, or restore a backup from before");
    }
    match missing {
        0 => Finding::ok("schema", "as this version makes it"),
        _ => Finding::ok("schema", format!("of an older version: the next start makes {missing} changes")),
    }
}

/// What this version makes of an empty database.
async fn known() -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let database = Database::connect("sqlite::memory:", Options::default()).await?;
    crate::daemon::open_domains(&database).await?;
    let histories = database.inspect().await?.histories;
    database.close().await?;
    Ok(histories)
}

/// Deleting leaves pages that are used again, but never given back.
fn air(inspection: &Inspection) -> Option<Finding> {
    let free = inspection.free_bytes?;
    let found = format!("{} of {} are free pages", size(free), size(inspection.size_bytes));
    Some(if free > FREE_MAX && free > inspection.size_bytes / 2 {
        let remedy = "they are used again; to give them back: stop the daemon, sqlite3 orchestrator.db vacuum";
        Finding::warning("free pages", found, remedy)
    } else {
        Finding::ok("free pages", found)
    })
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use super::super::Severity;
    use super::*;

    async fn severity_after(statements: &[&'static str], check: &str) -> Severity {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("x.db").display());
        let database = Database::connect(&url, Options::default()).await.unwrap();
        crate::daemon::open_domains(&database).await.unwrap();
        for statement in statements {
            let work = database.write(|tx| Box::pin(async { Ok::<_, Error>(tx.execute_unprepared(statement).await?) }));
            work.await.unwrap();
        }
        let findings = of(&database).await;
        database.close().await.unwrap();
        findings.iter().find(|finding| finding.check == check).unwrap().severity
    }

    #[tokio::test]
    async fn a_file_that_is_mostly_air_is_told() {
        let fill = "create table bulk as select zeroblob(90000000) as blob";
        assert_eq!(severity_after(&[fill], "free pages").await, Severity::Ok);
        assert_eq!(severity_after(&[fill, "drop table bulk"], "free pages").await, Severity::Warning);
    }

    #[tokio::test]
    async fn a_migration_that_nobody_knows_is_a_failure_and_one_that_is_missing_is_none() {
        let newer = "insert into tasks_migrations values ('m9999_from_the_future', 0)";
        assert_eq!(severity_after(&[], "schema").await, Severity::Ok);
        assert_eq!(severity_after(&["delete from tasks_migrations"], "schema").await, Severity::Ok);
        assert_eq!(severity_after(&[newer], "schema").await, Severity::Failure);
    }
}
