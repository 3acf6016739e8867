use std::time::Duration;

use orchestrator_sql::Database;
use orchestrator_vocab::EventId;
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::recent::{ON_ITS_WAY_MAX, Recent};

const CHANNEL: &str = "orchestrator_events";
/// Commits within this time are announced together: NOTIFY takes a lock over the whole server when it commits.
const COALESCE: Duration = Duration::from_millis(5);
/// Ends the announcement of what a relay carries too: who gets it from there need not look.
const RELAYED: &str = " relayed";

/// Announces what this process committed and wakes its followers when another one did.
///
/// Never from the writing transaction: commits that notify are serialised by PostgreSQL. A lost announcement costs at most
/// the hub's poll interval.
pub(super) async fn run(database: &Database, recent: &Recent, stop: &CancellationToken) -> Result<(), Error> {
    let connection = database.reader();
    let mut listener = PgListener::connect_with(connection.get_postgres_connection_pool()).await.map_err(store)?;
    listener.listen(CHANNEL).await.map_err(store)?;
    let own = EventId::new().to_string();
    let mut committed = recent.committed();
    let mut look_at = None;
    loop {
        let missing = async {
            match look_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            heard = listener.try_recv() => {
                // `None` is a lost connection that was made again: something may have been missed.
                if heard.map_err(store)?.is_none_or(|notice| is_news(notice.payload(), &own, recent)) {
                    recent.wake();
                }
            }
            _ = committed.changed() => {
                tokio::time::sleep(COALESCE).await;
                committed.mark_unchanged();
                announce(connection, &own, recent.was_relayed()).await?;
            }
            () = recent.awaited.notified() => {
                look_at.get_or_insert_with(|| Instant::now() + ON_ITS_WAY_MAX);
            }
            () = missing => {
                look_at = None;
                recent.wake();
            }
        }
    }
}

fn is_news(payload: &str, own: &str, recent: &Recent) -> bool {
    match payload.strip_suffix(RELAYED) {
        Some(node) => node != own && !recent.relay_is_up(),
        None => payload != own,
    }
}

async fn announce(connection: &DatabaseConnection, own: &str, relayed: bool) -> Result<(), Error> {
    let suffix = if relayed { RELAYED } else { "" };
    let notify = format!("select pg_notify('{CHANNEL}', '{own}{suffix}')");
    connection.execute_unprepared(&notify).await.map_err(|error| Error::from(orchestrator_sql::Error::from(error)))?;
    Ok(())
}

fn store(error: sea_orm::sqlx::Error) -> Error {
    Error::Store(Box::new(error))
}
