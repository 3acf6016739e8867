//! Models that their vendors take away are told of once when the day comes near, and once when it has come.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_models::{Router, Target};
use orchestrator_sql::{Backend, Database, Error, Migration, Tx};
use orchestrator_vocab::{Actor, Clock, OrgId, Timestamp};
use sea_orm::{ConnectionTrait as _, Statement, Value};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const MIGRATIONS: &[Migration] = &[Migration { name: "m0001_models", statements: tables }];
/// How often it is looked which day it is.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
const DAY_MS: i64 = 86_400_000;

fn tables(backend: Backend) -> Vec<String> {
    vec![format!(
        "create table model_notices (model text not null, retires text not null, event text not null, \
         primary key (model, retires, event)){}",
        backend.clustered()
    )]
}

/// Brings the table up to date.
///
/// # Errors
/// If the database fails.
pub(crate) async fn migrate(database: &Database) -> Result<(), Error> {
    orchestrator_sql::migrate(database, "models", MIGRATIONS).await
}

/// Looks at the models that are configured.
#[derive(Clone)]
pub(crate) struct RetirementWatch {
    pub(crate) router: Router,
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    /// So many days before.
    pub(crate) notice_days: u32,
}

/// What there is to tell of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notice {
    model: Target,
    /// The first day without it.
    retires: String,
    event: &'static str,
}

impl RetirementWatch {
    /// Tells until `stop`.
    ///
    /// # Errors
    /// If the database fails; run it again.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        migrate(&self.database).await?;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = self.clock.now();
            let retiring = self.router.retiring().into_iter();
            let due: Vec<Notice> =
                retiring.filter_map(|(model, retires)| due(model, retires, self.notice_days, now)).collect();
            if !due.is_empty() {
                self.tell(due, now).await?;
            }
        }
        Ok(())
    }

    /// Those that nobody told of yet: also another daemon on the same database, or this one before it was started again.
    async fn tell(&self, due: Vec<Notice>, now: Timestamp) -> Result<(), Error> {
        let due = Arc::new(due);
        let told = self.database.write(move |tx| {
            let due = due.clone();
            Box::pin(async move {
                for notice in &*due {
                    if notice.is_first(tx).await? {
                        SqlLog::append(tx, [notice.event(now)]);
                    }
                }
                Ok::<(), Error>(())
            })
        });
        told.await
    }
}

impl Notice {
    async fn is_first(&self, tx: &Tx) -> Result<bool, Error> {
        let sql = "insert into model_notices (model, retires, event) values ($1, $2, $3) on conflict do nothing";
        let values: [Value; 3] = [self.model.to_string().into(), self.retires.as_str().into(), self.event.into()];
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        Ok(tx.execute_raw(statement).await?.rows_affected() > 0)
    }

    fn event(&self, now: Timestamp) -> NewEvent {
        let payload = json!({
            "orgId": OrgId::LOCAL, "model": self.model.to_string(), "provider": self.model.provider, "retiresAt": self.retires,
        });
        NewEvent {
            subject: Some(self.model.to_string()),
            ..NewEvent::new(OrgId::LOCAL, self.event, now, Actor::system("models"), payload)
        }
    }
}

/// A day that nobody can read is told of by nobody.
fn due(model: Target, retires: String, notice_days: u32, now: Timestamp) -> Option<Notice> {
    let gone: Timestamp = format!("{retires}T00:00:00Z").parse().ok()?;
    let event = match gone.millis() - now.millis() {
        ..=0 => "model.retired",
        left if left <= i64::from(notice_days) * DAY_MS => "model.retiring",
        _ => return None,
    };
    Some(Notice { model, retires, event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now: &str, notice_days: u32, expected: Option<&str>) {
        let model = Target { provider: "a".into(), model: "m".into() };
        let found = due(model, "2026-12-11".into(), notice_days, now.parse().expect("a time"));
        assert_eq!(found.map(|notice| notice.event), expected, "{now}");
    }

    #[test]
    fn a_model_is_told_of_in_time_and_when_it_is_gone() {
        check("2026-11-10T23:59:59Z", 30, None);
        check("2026-11-11T00:00:00Z", 30, Some("model.retiring"));
        check("2026-12-10T23:59:59Z", 0, None);
        check("2026-12-11T00:00:00Z", 0, Some("model.retired"));
        let model = Target { provider: "a".into(), model: "m".into() };
        assert_eq!(due(model, "soon".into(), 30, Timestamp(0)), None);
    }
}
