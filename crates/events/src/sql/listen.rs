use std::time::Duration;

use orchestrator_sql::Database;
use orchestrator_vocab::EventId;
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::recent::Recent;

const CHANNEL: &str = "orchestrator_events";
/// Commits within this time are announced together: NOTIFY takes a lock over the whole server when it commits.
const COALESCE: Duration = Duration::from_millis(5);

/// Announces what this process committed and wakes its followers when another one did.
///
/// Never from the writing transaction: commits that notify are serialised by PostgreSQL. A lost announcement costs at most
/// the hub's poll interval.
pub(super) async fn run(database: &Database, recent: &Recent, stop: &CancellationToken) -> Result<(), Error> {
    let connection = database.reader();
    let mut listener = PgListener::connect_with(connection.get_postgres_connection_pool()).await.map_err(store)?;
    listener.listen(CHANNEL).await.map_err(store)?;
    let own = EventId::new().to_string();
    let mut changed = recent.changed();
    let mut announced = *changed.borrow_and_update();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            heard = listener.try_recv() => {
                // `None` is a lost connection that was made again: something may have been missed.
                if heard.map_err(store)?.is_none_or(|notice| notice.payload() != own) {
                    recent.wake();
                    announced = *changed.borrow_and_update();
                }
            }
            _ = changed.changed() => {
                tokio::time::sleep(COALESCE).await;
                let generation = *changed.borrow_and_update();
                if generation != announced {
                    announced = generation;
                    announce(connection, &own).await?;
                }
            }
        }
    }
}

async fn announce(connection: &DatabaseConnection, own: &str) -> Result<(), Error> {
    let notify = format!("select pg_notify('{CHANNEL}', '{own}')");
    connection.execute_unprepared(&notify).await.map_err(|error| Error::from(orchestrator_sql::Error::from(error)))?;
    Ok(())
}

fn store(error: sea_orm::sqlx::Error) -> Error {
    Error::Store(Box::new(error))
}
