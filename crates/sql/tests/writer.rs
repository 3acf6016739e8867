//! The writer's promises, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use orchestrator_sql::{Backend, Batch, Class, Database, Error, Migration, Options, Scratch, Tx, migrate};
use sea_orm::{ConnectionTrait as _, Statement};

const NUMBERS: &[Migration] = &[Migration { name: "m0001_numbers", statements: numbers }];

fn numbers(_: Backend) -> Vec<String> {
    vec!["create table test_numbers (n bigint not null primary key)".into()]
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no")]
    No,
    #[error(transparent)]
    Database(#[from] Error),
}

async fn insert(database: &Database, n: i64) -> Result<(), Refusal> {
    insert_then(database, n, false).await
}

async fn insert_then(database: &Database, n: i64, refuse_after: bool) -> Result<(), Refusal> {
    database
        .write(move |tx| {
            Box::pin(async move {
                let sql = "insert into test_numbers (n) values ($1)";
                let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [n.into()]);
                tx.execute_raw(statement).await.map_err(Error::from)?;
                if refuse_after { Err(Refusal::No) } else { Ok(()) }
            })
        })
        .await
}

async fn stored(database: &Database) -> BTreeSet<i64> {
    let sql = "select n from test_numbers";
    let statement = Statement::from_string(database.reader().get_database_backend(), sql);
    let rows = database.reader().query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "n").unwrap()).collect()
}

async fn everything_answered_is_stored(database: Database) {
    let answers = join_all((0..500).map(|n| insert(&database, n))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stored(&database).await, (0..500).collect());
}

async fn a_fault_in_a_group_hurts_nobody_else(database: Database) {
    insert(&database, 7).await.unwrap();
    let answers = join_all((0..64).map(|n| insert_then(&database, n, n % 10 == 3))).await;
    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Ok(()) => assert!(n != 7 && n % 10 != 3, "{n}"),
            Err(Refusal::No) => assert_eq!(n % 10, 3),
            Err(Refusal::Database(error)) => assert_eq!((n, error.class()), (7, Some(Class::Duplicate))),
        }
    }
    let wanted = (0..64).filter(|n| n % 10 != 3).collect();
    assert_eq!(stored(&database).await, wanted);
}

async fn refuse(database: &Database, runs: Arc<AtomicUsize>) -> Result<(), Refusal> {
    database
        .write(move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Err(Refusal::No) })
        })
        .await
}

async fn a_refusal_before_writing_does_not_disturb_the_group(database: Database) {
    let runs = Arc::new(AtomicUsize::new(0));
    let (refused, written) =
        futures::join!(join_all((0..20).map(|_| refuse(&database, runs.clone()))), insert(&database, 1));
    assert!(refused.iter().all(|answer| matches!(answer, Err(Refusal::No))));
    written.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 20, "each ran once: nothing was rolled back");
}

async fn a_panic_is_answered_and_the_writer_lives(database: Database) {
    let panicked: Result<(), Refusal> = database.write(|_| Box::pin(async { panic!("in a write") })).await;
    assert!(matches!(panicked, Err(Refusal::Database(Error::Panicked))));
    insert(&database, 1).await.unwrap();
}

/// As SQLite does it where the disk is full.
#[tokio::test]
async fn what_sqlite_rolls_back_by_itself_takes_nothing_along_that_comes_later() {
    let scratch = Scratch::create(Backend::Sqlite).await.unwrap();
    let database = Database::connect(scratch.url(), Options::default()).await.unwrap();
    migrate(&database, "test", NUMBERS).await.unwrap();
    insert(&database, 1).await.unwrap();
    for _ in 0..2 {
        let spoilt: Result<(), Error> = database
            .write(|tx| {
                Box::pin(async move {
                    let again = "insert or rollback into test_numbers (n) values (1)";
                    tx.execute_unprepared(again).await.map(drop).map_err(Error::from)
                })
            })
            .await;
        assert_eq!(spoilt.unwrap_err().class(), Some(Class::Duplicate));
        // One that is rolled back as usual, then one that is not.
        insert_then(&database, 2, true).await.unwrap_err();
    }
    insert(&database, 3).await.unwrap();
    assert_eq!(stored(&database).await, [1, 3].into());
}

/// Numbers that are inserted by one statement; 13 is refused.
#[derive(Clone)]
struct Together {
    database: Database,
    batch: Batch<i64, i64, Refusal>,
    runs: Arc<AtomicUsize>,
}

impl Together {
    fn new(database: &Database) -> Self {
        Self { database: database.clone(), batch: Batch::new(50), runs: Arc::default() }
    }

    async fn insert(&self, n: i64) -> Result<i64, Refusal> {
        let runs = self.runs.clone();
        self.batch
            .write(&self.database, n, move |tx, numbers| {
                runs.fetch_add(1, Ordering::SeqCst);
                Box::pin(inserted(tx, numbers))
            })
            .await
    }
}

async fn inserted(tx: &Tx, numbers: Arc<[i64]>) -> Result<Vec<Result<i64, Refusal>>, Refusal> {
    let wanted: Vec<i64> = numbers.iter().copied().filter(|n| *n != 13).collect();
    let places: Vec<String> = (1..=wanted.len()).map(|place| format!("(${place})")).collect();
    let sql = format!("insert into test_numbers (n) values {}", places.join(", "));
    if !wanted.is_empty() {
        let values = wanted.into_iter().map(sea_orm::Value::from);
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        tx.execute_raw(statement).await.map_err(Error::from)?;
    }
    Ok(numbers.iter().map(|n| if *n == 13 { Err(Refusal::No) } else { Ok(n * 2) }).collect())
}

async fn what_comes_together_is_done_together_and_each_has_its_own_answer(database: Database) {
    let together = Together::new(&database);
    let answers = join_all((0..200).map(|n| together.insert(n))).await;
    for (n, answer) in (0..200).zip(answers) {
        match answer {
            Ok(doubled) => assert!(doubled == n * 2 && n != 13, "{n}: {doubled}"),
            Err(refused) => assert!(matches!(refused, Refusal::No) && n == 13, "{n}: {refused:?}"),
        }
    }
    assert_eq!(stored(&database).await, (0..200).filter(|n| *n != 13).collect());
    let runs = together.runs.load(Ordering::SeqCst);
    assert!((4..=20).contains(&runs), "50 at most are done together, and not many fewer: {runs}");
}

async fn one_that_fails_hurts_nobody_it_came_with(database: Database) {
    insert(&database, 7).await.unwrap();
    let together = Together::new(&database);
    let answers = join_all((0..40).map(|n| together.insert(n))).await;
    for (n, answer) in (0..40).zip(answers) {
        match answer {
            Ok(_) => assert!(n != 7 && n != 13, "{n}"),
            Err(Refusal::No) => assert_eq!(n, 13),
            Err(Refusal::Database(error)) => assert_eq!((n, error.class()), (7, Some(Class::Duplicate))),
        }
    }
    assert_eq!(stored(&database).await, (0..40).filter(|n| *n != 13).collect());
}

async fn what_nobody_waits_for_any_more_is_not_done(database: Database) {
    let together = Together::new(&database);
    let (left, kept) = (together.clone(), together.clone());
    let mut left = Box::pin(left.insert(1));
    assert!(futures::poll!(&mut left).is_pending());
    drop(left);
    assert_eq!(kept.insert(2).await.unwrap(), 4);
    assert_eq!(stored(&database).await, [2].into());
    database.close().await.unwrap();
    assert!(matches!(kept.insert(3).await, Err(Refusal::Database(Error::Closed))));
}

async fn callbacks_tell_how_it_ended(database: Database) {
    let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
    for refuse in [false, true] {
        let seen = ended.clone();
        let answer: Result<(), Refusal> = database
            .write(move |tx| {
                let (committed, rolled_back) = (seen.clone(), seen.clone());
                Box::pin(async move {
                    tx.stash(|count: &mut u8| *count += 1);
                    tx.on_commit(move || committed.lock().unwrap().push("commit"));
                    tx.on_rollback(move || rolled_back.lock().unwrap().push("rollback"));
                    if refuse { Err(Refusal::No) } else { Ok(()) }
                })
            })
            .await;
        assert_eq!(answer.is_err(), refuse);
    }
    assert_eq!(*ended.lock().unwrap(), ["commit", "rollback"]);
}

async fn a_newer_schema_is_refused(database: Database) {
    const NEWER: &[Migration] = &[NUMBERS[0], Migration { name: "m0002_more", statements: |_| vec![] }];
    migrate(&database, "test", NEWER).await.unwrap();
    let refused = migrate(&database, "test", NUMBERS).await;
    assert!(matches!(refused, Err(Error::Newer { domain: "test", version }) if version == "m0002_more"));
    migrate(&database, "test", NEWER).await.unwrap();
}

async fn a_closed_database_says_so(database: Database) {
    insert(&database, 1).await.unwrap();
    database.close().await.unwrap();
    assert!(matches!(insert(&database, 2).await, Err(Refusal::Database(Error::Closed))));
}

async fn count(tx: &Tx) -> i64 {
    let statement = Statement::from_string(tx.get_database_backend(), "select count(*) as c from test_numbers");
    tx.query_one_raw(statement).await.unwrap().unwrap().try_get("", "c").unwrap()
}

async fn a_read_sees_one_view(database: Database) {
    insert(&database, 1).await.unwrap();
    let other = database.clone();
    let counts: Result<(i64, i64), Error> = database
        .read(|tx| {
            Box::pin(async move {
                let before = count(tx).await;
                insert(&other, 2).await.unwrap();
                Ok((before, count(tx).await))
            })
        })
        .await;
    assert_eq!(counts.unwrap(), (1, 1));
}

async fn on<F: Future<Output = ()>>(backend: Backend, promise: impl FnOnce(Database) -> F) {
    let scratch = Scratch::create(backend).await.unwrap();
    let database = Database::connect(scratch.url(), Options::default()).await.unwrap();
    migrate(&database, "test", NUMBERS).await.unwrap();
    promise(database).await;
}

macro_rules! on_every_backend {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::on(orchestrator_sql::Backend::Sqlite, super::$promise).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $promise() {
                super::on(orchestrator_sql::Backend::Postgres, super::$promise).await;
            })*
        }
    };
}

on_every_backend!(
    everything_answered_is_stored,
    a_fault_in_a_group_hurts_nobody_else,
    a_refusal_before_writing_does_not_disturb_the_group,
    a_panic_is_answered_and_the_writer_lives,
    what_comes_together_is_done_together_and_each_has_its_own_answer,
    one_that_fails_hurts_nobody_it_came_with,
    what_nobody_waits_for_any_more_is_not_done,
    callbacks_tell_how_it_ended,
    a_newer_schema_is_refused,
    a_closed_database_says_so,
    a_read_sees_one_view,
);

#[tokio::test]
async fn a_second_user_of_a_sqlite_file_is_refused() {
    let scratch = Scratch::create(Backend::Sqlite).await.unwrap();
    let url = scratch.url();
    let first = Database::connect(url, Options::default()).await.unwrap();
    assert!(matches!(Database::connect(url, Options::default()).await, Err(Error::InUse { .. })));
    drop(first);
    Database::connect(url, Options::default()).await.unwrap();
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused() {
    assert!(matches!(Database::connect("mysql://x", Options::default()).await, Err(Error::Address)));
}

#[tokio::test]
async fn a_backup_is_a_complete_database_and_never_overwrites() {
    let scratch = Scratch::create(Backend::Sqlite).await.unwrap();
    let database = Database::connect(scratch.url(), Options::default()).await.unwrap();
    migrate(&database, "test", NUMBERS).await.unwrap();
    insert(&database, 7).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("copy.db");
    database.backup_to(&file).await.unwrap();
    assert!(matches!(database.backup_to(&file).await, Err(Error::Backup { .. })));
    let copy = Database::connect(&format!("sqlite:{}", file.display()), Options::default()).await.unwrap();
    migrate(&copy, "test", NUMBERS).await.unwrap();
    assert_eq!(stored(&copy).await, [7].into());
}

#[tokio::test]
async fn postgres_is_backed_up_by_its_own_program() {
    let scratch = Scratch::create(Backend::Postgres).await.unwrap();
    let database = Database::connect(scratch.url(), Options::default()).await.unwrap();
    let refused = database.backup_to(std::path::Path::new("x")).await.unwrap_err();
    assert!(refused.to_string().contains("pg_dump"));
}
