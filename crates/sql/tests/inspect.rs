//! What an operator is told about a database.

use std::time::{Duration, SystemTime};

use orchestrator_sql::{Backend, Database, Error, Migration, Options, Scratch, migrate};
use sea_orm::ConnectionTrait as _;

const HISTORY: &[Migration] =
    &[Migration { name: "m0001_first", statements: |_| vec!["create table bulk (blob text)".into()] }];

async fn opened(backend: Backend) -> anyhow::Result<(Scratch, Database)> {
    let scratch = Scratch::create(backend).await?;
    let database = Database::connect(scratch.url(), Options::default()).await?;
    migrate(&database, "bulk", HISTORY).await?;
    Ok((scratch, database))
}

#[tokio::test]
async fn each_domain_tells_which_migrations_it_has_on_both_backends() -> anyhow::Result<()> {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let (_scratch, database) = opened(backend).await?;
        let inspection = database.inspect().await?;
        assert_eq!(inspection.histories["bulk"].iter().collect::<Vec<_>>(), ["m0001_first"], "{backend:?}");
        assert!(inspection.size_bytes > 0, "{inspection:?}");
        assert!(inspection.version.contains(|letter: char| letter.is_ascii_digit()), "{inspection:?}");
        assert_eq!(database.damage().await?, Vec::<String>::new());
        database.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_deleted_from_a_file_shows_as_free() -> anyhow::Result<()> {
    let (_scratch, database) = opened(Backend::Sqlite).await?;
    let before = database.inspect().await?.free_bytes;
    let fill = async |sql: &'static str| {
        let work = database.write(move |tx| Box::pin(async move { Ok::<_, Error>(tx.execute_unprepared(sql).await?) }));
        work.await
    };
    fill("insert into bulk values (zeroblob(1000000))").await?;
    fill("delete from bulk").await?;
    let after = database.inspect().await?;
    assert!(before < Some(100_000) && after.free_bytes > Some(900_000), "{before:?} {after:?}");
    assert!(after.free_bytes < Some(after.size_bytes), "{after:?}");
    Ok(())
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the clock of the server is compared with the real one")]
async fn a_server_tells_its_time_and_a_file_has_none() -> anyhow::Result<()> {
    let (_scratch, file) = opened(Backend::Sqlite).await?;
    assert_eq!(file.inspect().await?.now_ms, None);
    let (_scratch, server) = opened(Backend::Postgres).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let theirs = Duration::from_millis(server.inspect().await?.now_ms.unwrap_or_default().unsigned_abs());
    assert!(now.abs_diff(theirs) < Duration::from_secs(60), "{now:?} {theirs:?}");
    Ok(())
}
