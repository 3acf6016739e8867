//! Who is told of what happens: events of the log, by the operator's routes.
//!
//! The log remembers what is to be told, and a row per destination how far that was done; so a daemon that is killed tells the rest when it
//! is started again (ADR 033).

mod following;
mod pending;
mod positions;
mod readiness;
mod routes;
mod wording;

use std::sync::Arc;

use anyhow::Context as _;
use futures::future::join_all;
use orchestrator_events::{Event, Hub};
use orchestrator_notify::{Notifier, Outcome, Parts, Report};
use orchestrator_redact::Redactor;
use orchestrator_sql::Database;
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::Clock;
use tokio_util::sync::CancellationToken;

use crate::config;

use following::Follower;
pub(crate) use positions::Positions;
pub(crate) use readiness::ReadinessWatch;
use routes::Routes;

/// Everything that tells somebody. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notifications {
    pub(crate) notifier: Notifier,
    routes: Arc<Routes>,
    positions: Positions,
    hub: Hub,
}

impl Notifications {
    /// Nothing is told yet; see [`run`](Self::run). `holder` is this daemon's own name among those that share the database.
    pub(crate) async fn open(
        config: &config::Notify,
        (database, hub, clock): (&Database, &Hub, &Arc<dyn Clock>),
        (metrics, redactor): (&Metrics, &Redactor),
        holder: String,
    ) -> anyhow::Result<Self> {
        let redactor = redactor.clone();
        let notifier = Notifier::new(Parts {
            config: config.config(),
            clock: clock.clone(),
            filter: Arc::new(move |text| redactor.redact(text).into_owned()),
            listener: counted(metrics.clone()),
        })?;
        let positions = Positions::open(database.clone(), clock.clone(), holder).await;
        let positions = positions.context("cannot open the positions of notifications")?;
        let routes = Arc::new(Routes::new(&config.routes)?);
        Ok(Self { notifier, routes, positions, hub: hub.clone() })
    }

    /// Tells until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<(), orchestrator_events::Error> {
        let followers = self.routes.destinations().map(|name| self.follower(name).run(stop.clone()));
        let following = async { join_all(followers).await.into_iter().collect() };
        let (told, ()) = tokio::join!(following, self.notifier.run(stop.clone()));
        told
    }

    /// Tells of an event that could not be written into the log, as far as that goes without it.
    pub(crate) fn tell_unwritten(&self, event: &Event) {
        for (name, severity) in self.routes.of(event) {
            let message = wording::message(event, severity);
            if let Err(error) = self.notifier.send(name, message) {
                tracing::warn!(destination = name, %error, event = %event.name, "nobody is told");
            }
        }
    }

    fn follower(&self, name: &str) -> Follower {
        Follower::new(name, self.clone())
    }
}

fn counted(metrics: Metrics) -> Arc<dyn Fn(&Report<'_>) + Send + Sync> {
    Arc::new(move |report| {
        let labels =
            [("destination", report.destination.to_owned().into()), ("outcome", report.outcome.as_str().into())];
        metrics.counter("notifications_total", &labels).add(report.messages as u64);
        if let Outcome::Failed { attempts, failure } = report.outcome {
            let (destination, messages) = (report.destination, report.messages);
            tracing::warn!(destination, messages, attempts, %failure, "nobody is told");
        }
    })
}
