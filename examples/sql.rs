//! A thousand small writes, each durable when it is answered, and one that is refused.

use futures::future::try_join_all;
use orchestrator_sql::{Backend, Database, Error, Migration, Options, migrate};
use sea_orm::{ConnectionTrait as _, Statement};

const HISTORY: &[Migration] = &[Migration { name: "m0001_notes", statements: notes }];

fn notes(backend: Backend) -> Vec<String> {
    vec![format!(
        "create table notes_notes (id bigint not null primary key, text text not null){}",
        backend.clustered()
    )]
}

async fn write(database: &Database, id: i64) -> Result<(), Error> {
    database
        .write(move |tx| {
            Box::pin(async move {
                let sql = "insert into notes_notes (id, text) values ($1, $2)";
                let values = [id.into(), format!("note {id}").into()];
                tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
                Ok(())
            })
        })
        .await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let url = format!("sqlite:{}", home.path().join("notes.db").display());
    let database = Database::connect(&url, Options::default()).await?;
    migrate(&database, "notes", HISTORY).await?;

    let started = std::time::Instant::now();
    try_join_all((0..1_000).map(|id| write(&database, id))).await?;
    println!("1000 notes, all on disk, in {:?}", started.elapsed());

    match write(&database, 7).await {
        Err(error) => println!("number 7 again: {error} ({:?})", error.class()),
        Ok(()) => anyhow::bail!("the same key was taken twice"),
    }
    match Database::connect(&url, Options::default()).await {
        Err(error) => println!("a second program on this file: {error}"),
        Ok(_) => anyhow::bail!("two programs share one file"),
    }
    database.close().await?;
    Ok(())
}
